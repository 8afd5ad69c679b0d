package wire

import "syscall"

// Of Windows Sockets: WSAEMFILE, WSAENOBUFS, WSAEADDRNOTAVAIL.
var systemLimits = []syscall.Errno{10024, 10055, 10049}
