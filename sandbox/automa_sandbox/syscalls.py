"""Numbers of the system calls that the filter speaks of, as (x86_64, aarch64); None where there is none.

From Linux' asm/unistd_64.h and asm-generic/unistd.h; numbers from 424 on are the same everywhere.
"""

NOT_FOR_COMPUTATION: dict[str, tuple[int | None, int | None]] = {
    # programs and processes
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    # other processes, and whoever listens; socketpair stays, for the engine itself
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
}
"""What a process can do without that only computes: besides what nobody may do."""

DENIED: dict[str, tuple[int | None, int | None]] = {
    # keys, tracing, other processes' memory and descriptors
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "request_key": (249, 218),
    "ptrace": (101, 117),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # large attack surfaces that no script needs
    "bpf": (321, 280),
    "fanotify_init": (300, 262),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # mounts and namespaces
    "chroot": (161, 51),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "listmount": (458, 458),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "statmount": (457, 457),
    "umount2": (166, 39),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the machine itself
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "settimeofday": (164, 170),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "get_kernel_syms": (177, None),
    "query_module": (178, None),
    "ioperm": (173, None),
    "iopl": (172, None),
    "modify_ldt": (154, None),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "lsm_get_self_attr": (459, 459),
    "lsm_list_modules": (461, 461),
    "lsm_set_self_attr": (460, 460),
    "nfsservctl": (180, 42),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "uselib": (134, None),
    "ustat": (136, None),
    "vhangup": (153, 58),
}

CLONE: tuple[int, int] = (56, 220)
CLONE3: tuple[int, int] = (435, 435)
IOCTL: tuple[int, int] = (16, 29)
PERSONALITY: tuple[int, int] = (135, 92)
SOCKET: tuple[int, int] = (41, 198)
SOCKETPAIR: tuple[int, int] = (53, 199)
UNSHARE: tuple[int, int] = (272, 97)

LAST_KNOWN = 469
"""file_setattr of Linux 6.17: what is newer does not exist for scripts."""
