package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// echo is a subject that answers whatever it reads with one byte, at once: what this
// machine takes for the way there and back. Nothing can be measured to be faster.
const echo = "a bare echo"

func serveEcho(context.Context, string, string) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 8<<10)
				for {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := conn.Write(buf[:1]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String(), nil
}

// echoes sends DTMF events as open does, and returns how long the answers took.
func (c *child) echoes(rate int, length time.Duration) ([]time.Duration, error) {
	took := make([]time.Duration, callsAt(rate, length))
	var mu sync.Mutex
	var fault error
	paced(rate, len(took), func(i int) bool {
		var err error
		if took[i], err = c.echo(i); err != nil {
			mu.Lock()
			defer mu.Unlock()
			fault = err
		}
		return err == nil
	})
	return took, c.wrap(fault)
}

func (c *child) echo(n int) (time.Duration, error) {
	var m marks
	l, err := ring(c.rec, c.address, n, &m)
	if err != nil {
		return 0, err
	}
	defer l.close()
	time.Sleep(thought)
	if err := l.press(); err != nil {
		return 0, err
	}
	_, err = l.in.ReadByte()
	return time.Duration(now() - m.pressed.Load()), err
}
