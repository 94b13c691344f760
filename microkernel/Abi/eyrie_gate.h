// Generated from abi.json by microkernel/tool abi; a change belongs there.
// Sessions between containers; microkernel/GATES.md says how they are used.
#ifndef EYRIE_GATE_H
#define EYRIE_GATE_H
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#define EYRIE_GATE 1012
#define EYRIE_GATE_FIND 0
#define EYRIE_GATE_CALL 1
#define EYRIE_GATE_WAIT 2
#define EYRIE_GATE_REPLY 3
#define EYRIE_GATE_REPLY_WAIT 4
#define EYRIE_GATE_WHO 5

#define EYRIE_GATE_MAX_WORDS 8
#define EYRIE_GATE_MAX_PAYLOAD 4008

#define EYRIE_NO_CAPABILITY (-1) // the slot is empty
#define EYRIE_WRONG_KIND (-2) // the object behind the slot is of another kind
#define EYRIE_MISSING_RIGHTS (-3) // the capability lacks a right that the call needs
#define EYRIE_INVALID_ARGUMENT (-6) // an argument is outside of what this page gives for it
#define EYRIE_CANCELLED (-7) // the other side of the message is gone
#define EYRIE_NO_CALLER (-9) // nobody waits for this reply (any more)
#define EYRIE_TIMED_OUT (-15) // the time given has passed
#define EYRIE_NO_SERVER (-16) // no running container of this node serves the gate
#define EYRIE_BUSY (-14) // another thread of the host that is the same Thread, or is none as the caller is, waits in a call; only ReplyValue may be made beside it

struct eyrie_gate_message {
    uint32_t word_count, payload_length;
    uint64_t label, caller;
    uint64_t words[EYRIE_GATE_MAX_WORDS];
    unsigned char payload[EYRIE_GATE_MAX_PAYLOAD];
};

// 0 or more, or one of the errors; -ENOSYS where no Eyrie is.
static inline long eyrie_gate(int operation, uint64_t argument, uint64_t timeout_microseconds, struct eyrie_gate_message *message)
{
    long result = syscall(EYRIE_GATE, operation, argument, timeout_microseconds, message);
    return result == -1 ? -errno : result;
}

#endif
