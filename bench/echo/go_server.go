// SPDX-License-Identifier: BSL-1.0

// The echo server in Go: go_server [PORT]
package main

import (
	"fmt"
	"log"
	"net"
	"os"
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
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	for {
		peer, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(peer)
	}
}
