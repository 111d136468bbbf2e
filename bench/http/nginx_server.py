#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
"""nginx with one process that answers by itself, in a folder of its own: nginx_server.py NGINX FOLDER

Listens on a free port: nginx takes sockets over that it finds in its environment, as when it is upgraded."""
import os
import pathlib
import socket
import sys

nginx, folder = sys.argv[1], pathlib.Path(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
listener.set_inheritable(True)
port = listener.getsockname()[1]
(folder / "nginx.conf").write_text(f"""
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/errors error;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    default_type text/plain;
    return 200 "Hello, world!";
  }}
}}
""")
print("listening", port, flush=True)
os.execve(nginx, ["nginx", "-e", folder / "errors", "-p", folder, "-c", folder / "nginx.conf"],
          {**os.environ, "NGINX": f"{listener.fileno()};"})
