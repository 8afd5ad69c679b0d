package daemon

import "syscall"

// backlog is how many may wait to be accepted, unless the kernel allows fewer.
const backlog = 4096

// Pause refuses connections, and resets those that wait: it ends the listening of a socket
// that stays bound to its address.
func (h *held) Pause() error {
	return h.control(func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_RD) })
}

// Resume takes connections again.
func (h *held) Resume() error {
	return h.control(func(fd int) error { return syscall.Listen(fd, backlog) })
}

func (h *held) control(do func(fd int) error) error {
	raw, err := h.SyscallConn()
	if err != nil {
		return err
	}
	var did error
	if err := raw.Control(func(fd uintptr) { did = do(int(fd)) }); err != nil {
		return err
	}
	return did
}
