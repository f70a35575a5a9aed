"""memory.atomic.wait and notify: threads that sleep until another one calls, for a place in memory.

A hash table of queues, each with a lock, by the native address of the cell: what waits for 32 bits there
and what waits for 64 is in the same queue, in the order of coming. Each thread sleeps on a word of its
own (a futex on the cell could not count whom it woke, nor tell such waits apart). The value of the cell is
compared under the queue's lock, which `notify` takes as well: between comparing and queueing nothing can
be missed. Whoever takes a thread out of its queue says so in its state, and touches it no more.

The interpreter lock is not held, and needed only to run the Python handlers of signals.
"""

from __future__ import annotations

WAITING = r"""
; The queue of a cell: its address times 2**64 / golden ratio, of which the high bits are the best.
define internal ptr @wait_queue(ptr %cell) {
  %address = ptrtoint ptr %cell to i64
  %mixed = mul i64 %address, -7046029254386353131
  %index = lshr i64 %mixed, $wait_queue_shift
  %offset = mul i64 %index, $wait_queue_size
  %queues = get ptr RuntimeState.wait_queues, @wasmine_state
  %queue = getelementptr i8, ptr %queues, i64 %offset
  ret ptr %queue
}

define internal void @append_waiter(ptr %queue, ptr %waiter) $cold {
  %last = get ptr VMWaitQueue.last, %queue
  put ptr null, VMWaiter.next, %waiter
  put ptr %last, VMWaiter.previous, %waiter
  put ptr %waiter, VMWaitQueue.last, %queue
  %empty = icmp eq ptr %last, null
  br i1 %empty, label %only, label %behind
only:
  put ptr %waiter, VMWaitQueue.first, %queue
  ret void
behind:
  put ptr %waiter, VMWaiter.next, %last
  ret void
}

define internal void @remove_waiter(ptr %queue, ptr %waiter) $cold {
  %next = get ptr VMWaiter.next, %waiter
  %previous = get ptr VMWaiter.previous, %waiter
  %is_first = icmp eq ptr %previous, null
  br i1 %is_first, label %first, label %inner
first:
  put ptr %next, VMWaitQueue.first, %queue
  br label %forward
inner:
  put ptr %next, VMWaiter.next, %previous
  br label %forward
forward:
  %is_last = icmp eq ptr %next, null
  br i1 %is_last, label %last, label %more
last:
  put ptr %previous, VMWaitQueue.last, %queue
  ret void
more:
  put ptr %previous, VMWaiter.previous, %next
  ret void
}

; Take a thread that has stopped waiting out of its queue. Whether it was notified meanwhile.
define internal i1 @give_up(ptr %queue, ptr %waiter) $cold {
  %lock = at VMWaitQueue.lock, %queue
  call void @lock(ptr %lock)
  %state.p = at VMWaiter.state, %waiter
  %state = load atomic i32, ptr %state.p seq_cst, align 4
  %notified = icmp eq i32 %state, $notified
  br i1 %notified, label %done, label %remove
remove:
  call void @remove_waiter(ptr %queue, ptr %waiter)
  br label %done
done:
  call void @unlock(ptr %lock)
  ret i1 %notified
}

; Add nanoseconds, not negative, to the time that is now.
define internal void @set_deadline(ptr %deadline, i64 %timeout) $cold {
  %ignored = call i32 @clock_gettime(i32 1, ptr %deadline)
  %fraction.p = getelementptr i8, ptr %deadline, i64 8
  %now.s = load i64, ptr %deadline
  %now.ns = load i64, ptr %fraction.p
  %more.s = udiv i64 %timeout, 1000000000
  %more.ns = urem i64 %timeout, 1000000000
  %sum.ns = add i64 %now.ns, %more.ns
  %carry = udiv i64 %sum.ns, 1000000000
  %ns = urem i64 %sum.ns, 1000000000
  %sum.s = add i64 %now.s, %more.s
  %s = add i64 %sum.s, %carry
  store i64 %s, ptr %deadline
  store i64 %ns, ptr %fraction.p
  ret void
}

; 0: notified, 1: the cell has another value, 2: the time is over. Without end if `timeout` is negative.
define internal i32 @wait(ptr %cell, i1 %wide, i64 %expected, i64 %timeout) $cold {
entry:
  %waiter = alloca [$waiter_size x i8], align 8
  %deadline = alloca [2 x i64], align 8
  %state.p = at VMWaiter.state, %waiter
  %queue = call ptr @wait_queue(ptr %cell)
  %lock = at VMWaitQueue.lock, %queue
  %forever = icmp slt i64 %timeout, 0
  %limit = select i1 %forever, ptr null, ptr %deadline
  br i1 %forever, label %compare, label %clock
clock:
  call void @set_deadline(ptr %deadline, i64 %timeout)
  br label %compare
compare:
  call void @lock(ptr %lock)
  br i1 %wide, label %load64, label %load32
load64:
  %value64 = load atomic i64, ptr %cell seq_cst, align 8
  br label %loaded
load32:
  %value32 = load atomic i32, ptr %cell seq_cst, align 4
  %value32.w = zext i32 %value32 to i64
  br label %loaded
loaded:
  %value = phi i64 [ %value64, %load64 ], [ %value32.w, %load32 ]
  %equal = icmp eq i64 %value, %expected
  br i1 %equal, label %queue.up, label %different
different:
  call void @unlock(ptr %lock)
  ret i32 1
queue.up:
  put ptr %cell, VMWaiter.address, %waiter
  store atomic i32 $waiting, ptr %state.p seq_cst, align 4
  call void @append_waiter(ptr %queue, ptr %waiter)
  call void @unlock(ptr %lock)
  ; Waits may be nested: a signal's handler may wait.
  %thread = call ptr @current_thread()
  %outer = get ptr ThreadRecord.waiter, %thread
  put volatile ptr %waiter, ThreadRecord.waiter, %thread
  ; A signal may have come before it could find this thread waiting.
  %signalled = get volatile i64 ThreadRecord.signalled, %thread
  %early = icmp ne i64 %signalled, 0
  br i1 %early, label %signals, label %sleep
sleep:
  ; FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG: the deadline is a time of the monotonic clock.
  %slept = call i64 (i64, ...) @syscall(i64 $futex, ptr %state.p, i32 137, i32 $waiting, ptr %limit, ptr null, i32 -1)
  %errno.p = call ptr @__errno_location()
  %errno = load i32, ptr %errno.p
  %failed = icmp ne i64 %slept, 0
  %state = load atomic i32, ptr %state.p seq_cst, align 4
  switch i32 %state, label %signals [ i32 $notified, label %notified
                                      i32 $waiting, label %look ]
look:
  %reason = select i1 %failed, i32 %errno, i32 0
  ; EINTR: a signal that nobody told this thread about. ETIMEDOUT.
  switch i32 %reason, label %sleep [ i32 4, label %signals
                                     i32 110, label %late ]
late:
  %after.all = call i1 @give_up(ptr %queue, ptr %waiter)
  %answer = select i1 %after.all, i32 0, i32 2
  put volatile ptr %outer, ThreadRecord.waiter, %thread
  ret i32 %answer
notified:
  put volatile ptr %outer, ThreadRecord.waiter, %thread
  ret i32 0
signals:
  put volatile i64 0, ThreadRecord.signalled, %thread
  ; Waiting again before handlers run: a signal that comes during or after them is seen.
  %again = cmpxchg ptr %state.p, i32 $interrupted, i32 $waiting seq_cst seq_cst
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %status = call i32 @PyErr_CheckSignals()
  %raised = icmp slt i32 %status, 0
  br i1 %raised, label %unwind, label %resume
resume:
  %same = call ptr @PyEval_SaveThread()
  br label %sleep
unwind:
  %unused = call i1 @give_up(ptr %queue, ptr %waiter)
  put volatile ptr %outer, ThreadRecord.waiter, %thread
  call void @wasmine_unwind(ptr %landing)
  unreachable
}

define i32 @wasmine_atomic_wait32(ptr %cell, i32 %expected, i64 %timeout) {
  %wide = zext i32 %expected to i64
  %result = call i32 @wait(ptr %cell, i1 false, i64 %wide, i64 %timeout)
  ret i32 %result
}

define i32 @wasmine_atomic_wait64(ptr %cell, i64 %expected, i64 %timeout) {
  %result = call i32 @wait(ptr %cell, i1 true, i64 %expected, i64 %timeout)
  ret i32 %result
}

; Wake the threads that have waited longest, at most `count` of them: how many.
define i32 @wasmine_atomic_notify(ptr %cell, i32 %count) {
entry:
  %queue = call ptr @wait_queue(ptr %cell)
  %lock = at VMWaitQueue.lock, %queue
  call void @lock(ptr %lock)
  %first = get ptr VMWaitQueue.first, %queue
  br label %head
head:
  %waiter = phi ptr [ %first, %entry ], [ %next, %pass ], [ %next, %wake ]
  %woken = phi i32 [ 0, %entry ], [ %woken, %pass ], [ %one.more, %wake ]
  %end = icmp eq ptr %waiter, null
  %enough = icmp eq i32 %woken, %count
  %stop = or i1 %end, %enough
  br i1 %stop, label %done, label %look
look:
  %next = get ptr VMWaiter.next, %waiter
  %address = get ptr VMWaiter.address, %waiter
  %same = icmp eq ptr %address, %cell
  br i1 %same, label %wake, label %pass
pass:
  br label %head
wake:
  call void @remove_waiter(ptr %queue, ptr %waiter)
  %one.more = add i32 %woken, 1
  %state.p = at VMWaiter.state, %waiter
  store atomic i32 $notified, ptr %state.p seq_cst, align 4
  ; From here on its stack may be another's. To wake nobody there does no harm.
  ; FUTEX_WAKE | FUTEX_PRIVATE_FLAG
  %ignored = call i64 (i64, ...) @syscall(i64 $futex, ptr %state.p, i32 129, i32 1)
  br label %head
done:
  call void @unlock(ptr %lock)
  ret i32 %woken
}
"""
