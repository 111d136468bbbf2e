// SPDX-License-Identifier: BSL-1.0

//! The HTTP server on tokio, by hyper: tokio_server [PORT]
use hyper::service::service_fn;
use hyper::{Body, Request, Response};
use std::convert::Infallible;

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::builder()
        .header("Content-Type", "text/plain")
        .body(Body::from("Hello, world!"))
        .expect("a response"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or("0".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening {}", listener.local_addr()?.port());
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        tokio::spawn(hyper::server::conn::Http::new().serve_connection(peer, service_fn(answer)));
    }
}
