/* Preloaded into linux.uml 6.1 where the CPU has AMX: the XSAVE area is larger there than the buffer that it hands to
   PTRACE_SETREGSET(NT_X86_XSTATE), which then fails with EFAULT. Hands over the whole area. */
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define NT_X86_XSTATE 0x202
static unsigned char buf[65536] __attribute__((aligned(64)));
long ptrace(enum __ptrace_request req, ...)
{
	va_list ap; va_start(ap, req);
	long pid = va_arg(ap, long), addr = va_arg(ap, long), data = va_arg(ap, long); va_end(ap);
	long ret, r;
	if (req > 0 && req < 4) { r = syscall(SYS_ptrace, (long)req, pid, addr, &ret); return r < 0 ? r : ret; }
	if ((int)req == 0x4205 && addr == NT_X86_XSTATE) { /* PTRACE_SETREGSET */
		struct iovec *v = (struct iovec *)data, full = { buf, sizeof buf };
		if (syscall(SYS_ptrace, 0x4204L, pid, (long)NT_X86_XSTATE, &full) == 0 && full.iov_len > v->iov_len) {
			memcpy(buf, v->iov_base, v->iov_len);
			*(unsigned long *)(buf + 512) &= ~0x60000UL; /* AMX state: init */
			return syscall(SYS_ptrace, (long)req, pid, addr, &full);
		}
	}
	return syscall(SYS_ptrace, (long)req, pid, addr, data);
}
