// SPDX-License-Identifier: BSL-1.0

// What the servers in Go have in common.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
)

// listen listens on 127.0.0.1, on the port that the only argument names or one that is free, and tells which.
func listen() net.Listener {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	return listener
}
