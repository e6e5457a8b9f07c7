/* The kernel-internal names of the integer types, over the C library's UAPI ones. */
#ifndef SBTRACE_LINUX_TYPES_H
#define SBTRACE_LINUX_TYPES_H

#include <asm/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;
typedef __u64 __attribute__((aligned(8))) __aligned_u64;
#if __STDC_VERSION__ < 202311L /* a word of the language from C23 on, the default of gcc 15 */
typedef _Bool bool;
#endif
typedef int pid_t;
typedef unsigned long size_t;
typedef unsigned long uintptr_t;

#define __always_inline inline __attribute__((always_inline))
#define NULL            ((void *)0)
#if __STDC_VERSION__ < 202311L
#define true  1
#define false 0
#endif

#endif
