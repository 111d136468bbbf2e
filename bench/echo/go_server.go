// SPDX-License-Identifier: BSL-1.0

// The echo server in Go: go_server [PORT]
package main

import (
	"log"
	"net"
)

func serve(peer net.Conn) {
	defer peer.Close()
	buffer := make([]byte, 4096)
	for {
		size, err := peer.Read(buffer)
		if err != nil {
			return
		}
		if _, err := peer.Write(buffer[:size]); err != nil {
			return
		}
	}
}

func main() {
	listener := listen()
	for {
		peer, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(peer)
	}
}
