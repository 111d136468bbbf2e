// SPDX-License-Identifier: BSL-1.0

// The HTTP server in Go, by its standard library: go_server [PORT]
package main

import (
	"io"
	"log"
	"net/http"
)

func main() {
	log.Fatal(http.Serve(listen(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, world!")
	})))
}
