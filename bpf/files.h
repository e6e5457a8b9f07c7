/* The files that a process executes: what names the frames of a dead process. */
#ifndef SBTRACE_FILES_H
#define SBTRACE_FILES_H

/* That of a program on this CPU; the walk itself is another program, which finds it by the
 * thread. */
static __always_inline struct walk *walk_of(struct thread *thread, u32 kind, u32 program) {
    struct walk *walk = walks.lookup(&program);

    if (!walk)
        return NULL;
    thread->head.walking = program;
    walk->record.kind = kind;
    walk->record.image = thread->head.image;
    walk->record.pid = thread->head.pid;
    walk->record.process_ns = thread->head.process_ns;
    return walk;
}

/* Notes the file behind a new executable mapping, a call with these arguments; false if it is none.
 */
static __always_inline bool note_map(struct thread *thread, u64 *args, long start) {
    void *task = (void *)bpf_get_current_task();
    struct walk *walk = walk_of(thread, RECORD_MAP, WALK_EXIT);

    if (!walk)
        return false;
    if (!(args[2] & PROT_EXEC) || args[3] & MAP_ANONYMOUS)
        return false;
    walk->record.start = start;
    walk->record.length = args[1];
    walk->record.file_offset = args[5];
    void *files = FIELD(void *, task, OFFSET_task_struct_files);
    void *table = FIELD(void *, files, OFFSET_files_struct_fdt);
    void *array = FIELD(void *, table, OFFSET_fdtable_fd);
    walk->file = READ(void *, (char *)array + args[4] * sizeof(void *));
    return true;
}

/* Notes the file of a new image: what execve was given may be a script, or relative. */
static __always_inline void note_program(struct thread *thread, u32 program) {
    void *task = (void *)bpf_get_current_task();
    struct walk *walk = walk_of(thread, RECORD_PROGRAM, program);

    if (!walk)
        return;
    walk->record.start = 0;
    walk->record.length = 0;
    walk->record.file_offset = 0;
    walk->file =
        FIELD(void *, FIELD(void *, task, OFFSET_task_struct_mm), OFFSET_mm_struct_exe_file);
}

/* Begins the walk from the noted file to the root of its mounts. */
static __always_inline void begin_walk(struct walk *walk) {
    void *file = walk->file;
    void *inode = FIELD(void *, file, OFFSET_file_f_inode);
    void *mnt = FIELD(void *, file, OFFSET_file_f_path_mnt);

    walk->file = NULL;
    walk->record.inode = FIELD(u64, inode, OFFSET_inode_i_ino);
    walk->record.device =
        FIELD(u32, FIELD(void *, inode, OFFSET_inode_i_sb), OFFSET_super_block_s_dev);
    walk->record.path_bytes = 0;
    walk->record.path_whole = 0;
    walk->dentry = FIELD(void *, file, OFFSET_file_f_path_dentry);
    walk->root = FIELD(void *, mnt, OFFSET_vfsmount_mnt_root);
    walk->mount = (void *)((u64)mnt - VALUE(OFFSET_mount_mnt));
    walk->done = 0;
}

/* One step up: a name, or from the root of a mount to where it is mounted. As d_path does
 * (fs/d_path.c: prepend_path), which a raw tracepoint may not call; without its locks, so that a
 * rename at the same time can mix two paths: whoever opens the result checks what it is. */
static __always_inline bool climb(struct walk *walk) {
    void *dentry = walk->dentry, *mount = walk->mount;
    u64 used = walk->record.path_bytes;

    if (dentry == walk->root) {
        void *above = FIELD(void *, mount, OFFSET_mount_mnt_parent);

        walk->record.path_whole = above == mount;
        walk->dentry = FIELD(void *, mount, OFFSET_mount_mnt_mountpoint);
        walk->mount = above;
        walk->root = FIELD(void *, AT(above, OFFSET_mount_mnt), OFFSET_vfsmount_mnt_root);
        return above == mount;
    }
    BOUNDED(used);
    if (used > PATH_BYTES)
        return true;
    long bytes = bpf_probe_read_kernel_str(walk->record.path + used, COMPONENT_BYTES,
                                           FIELD(void *, dentry, OFFSET_dentry_d_name_name));
    if (bytes < 0)
        return true;
    walk->record.path_bytes = used + bytes;
    walk->dentry = FIELD(void *, dentry, OFFSET_dentry_d_parent);
    return walk->dentry == dentry; /* in no folder: a memfd */
}

static __always_inline void write_file(struct walk *walk) {
    u64 bytes = walk->record.path_bytes;

    BOUNDED(bytes);
    if (bytes > sizeof(walk->record.path))
        bytes = 0;
    bytes += __builtin_offsetof(struct file_record, path);
    if (records.ringbuf_output(&walk->record, bytes, wakeup(bytes)))
        lose(LOST_EVENTS, 1);
}

#endif
