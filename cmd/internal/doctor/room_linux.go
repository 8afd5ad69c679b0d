package doctor

import "syscall"

// kinds are the file systems that are told apart, by statfs(2).
var kinds = map[int64]Kind{
	0x01021994: InMemory, 0x858458f6: InMemory, // tmpfs, ramfs
	0x6969: OnNetwork, 0xff534d42: OnNetwork, 0xfe534d42: OnNetwork, // NFS, CIFS, SMB2
}

// room is what a user has free on the file system of a folder.
func room(dir string) (free uint64, kind Kind, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, OnDisk, err
	}
	return fs.Bavail * uint64(fs.Bsize), kinds[int64(fs.Type)], nil
}
