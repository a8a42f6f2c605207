package app

import "syscall"

// niceness is the lowest priority that still works when the machine is busy.
const niceness = 15

// giveWay lowers the priority of this thread; it works for every user.
func giveWay() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness) }
