// Loaded before a service's own code: when the process that started it is gone, however it went, its end of this pipe is closed.
process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM')).resume();
process.stdin.unref();
