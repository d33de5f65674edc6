/* An open-loop client: sends each request at its planned instant, whether or not others were answered, and judges what
 * comes back.
 *
 *     storm-load PORT START GIVE_UP_MS < plan > outcomes
 *
 * START is the instant of the plan's zero, in nanoseconds of the monotonic clock, as all instants are; all numbers are
 * little endian. The plan: u32 size and bytes of the fixed answer's text; u32 count of questions, for each three blobs
 * behind their u32 size (the whole HTTP request, the text that the primary answers, the text that the lighter model
 * answers); u32 count of arrivals, for each u64 instant after START and u32 question, in the order of instants.
 *
 * Who is not answered GIVE_UP_MS after its planned instant hangs up. The outcome of each arrival, in its order, is the
 * struct below; its instants are after START too, 0 for what never was. A connection that was kept alive and ends
 * before a byte of the answer is no outcome: the request is sent once more over a new one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"

enum { ENDED_WHOLE = 1, ENDED_GAVE_UP, ENDED_CUT, ENDED_NO_CONNECTION };

typedef struct {
    uint64_t due, sent, first, ended;
    uint16_t status, retry_after;
    uint8_t end, verdict; /* of the two lists above */
    char label[14], code[20], step[22];
} Outcome;

typedef struct { uint64_t due; uint32_t question; } Arrival;

typedef struct Connection {
    int descriptor;
    int reused, connected;
    uint32_t arrival; /* UINT32_MAX: idle */
    size_t sent, size, capacity;
    char *answer;
    struct Connection *next_idle, *previous_idle;
} Connection;

static Blob fixed;
static Question *questions;
static Arrival *arrivals;
static Outcome *outcomes;
static Connection **serving; /* by arrival */
static uint32_t question_count, arrival_count, next_arrival, oldest, open_count;
static Connection *idle; /* the one used last first */
static struct sockaddr_in address;
static uint64_t start, give_up;
static int poll_set, timer, has_shown;

static void fail(const char *reason) {
    fprintf(stderr, "storm-load: %s%s%s\n", reason, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *grown(void *memory, size_t size) {
    memory = realloc(memory, size ? size : 1);
    if (!memory) fail("no memory");
    return memory;
}

/* The plan. */

static void take(void *bytes, size_t size) {
    if (size && fread(bytes, size, 1, stdin) != 1) fail("the plan ends too early");
}

static uint32_t take_number(void) {
    uint32_t number;
    take(&number, sizeof number);
    return number;
}

static Blob take_blob(void) {
    Blob blob = {NULL, take_number()};
    blob.bytes = grown(NULL, blob.size);
    take(blob.bytes, blob.size);
    return blob;
}

static void read_plan(void) {
    fixed = take_blob();
    question_count = take_number();
    questions = grown(NULL, question_count * sizeof *questions);
    for (uint32_t index = 0; index < question_count; index++) {
        questions[index].request = take_blob();
        questions[index].primary = take_blob();
        questions[index].lighter = take_blob();
    }
    arrival_count = take_number();
    arrivals = grown(NULL, arrival_count * sizeof *arrivals);
    outcomes = grown(NULL, arrival_count * sizeof *outcomes);
    serving = grown(NULL, arrival_count * sizeof *serving);
    memset(outcomes, 0, arrival_count * sizeof *outcomes);
    memset(serving, 0, arrival_count * sizeof *serving);
    for (uint32_t index = 0; index < arrival_count; index++) {
        take(&arrivals[index].due, 8);
        arrivals[index].question = take_number();
        if (arrivals[index].question >= question_count) fail("the plan asks what it does not have");
        outcomes[index].due = arrivals[index].due;
    }
}

/* What came back. */

/* Whether the answer is whole: then it is judged. */
static int is_answered(Connection *connection) {
    char *answer = connection->answer, *limit = answer + connection->size, value[32];
    const char *head_end = find(answer, limit, "\r\n\r\n");
    if (!head_end || connection->size < 13) return 0;
    char *body = (char *)head_end + 4;
    size_t size = (size_t)(limit - body);
    int is_chunked = header(answer, head_end, "transfer-encoding", value, sizeof value);
    if (is_chunked) {
        if (size < 5 || memcmp(limit - 5, "0\r\n\r\n", 5)) return 0;
        if (!read_chunks(body, size, 0, &size)) return 0;
        read_chunks(body, (size_t)(limit - body), 1, &size);
    } else {
        int has_length = header(answer, head_end, "content-length", value, sizeof value);
        size_t expected = has_length ? strtoul(value, NULL, 10) : 0;
        if (size < expected) return 0;
        size = expected;
    }
    Outcome *outcome = &outcomes[connection->arrival];
    outcome->status = (uint16_t)atoi(answer + 9);
    header(answer, head_end, "x-cache", outcome->label, sizeof outcome->label);
    header(answer, head_end, "x-samovar-step", outcome->step, sizeof outcome->step);
    if (header(answer, head_end, "retry-after", value, sizeof value)) {
        long seconds = atol(value);
        outcome->retry_after = seconds < 0 ? 0 : seconds > 65535 ? 65535 : (uint16_t)seconds;
    }
    if (outcome->status == 200) {
        int has_type = header(answer, head_end, "content-type", value, sizeof value);
        int is_stream = has_type && !strncmp(value, "text/event-stream", 17);
        outcome->verdict = judge(body, size, is_stream, &questions[arrivals[connection->arrival].question],
                                 fixed);
        if (outcome->verdict == VERDICT_WRONG && !has_shown++)
            fprintf(stderr, "storm-load: a wrong answer: %.*s\n", (int)(size < 400 ? size : 400), body);
    } else {
        Blob code = {value, 0};
        const char *name = find(body, body + size, "\"code\":\"");
        const char *stop = name && name + 8 + sizeof outcome->code - 1 < body + size
            ? name + 8 + sizeof outcome->code - 1 : body + size;
        if (name) add_text(name, stop, "\"code\":\"", &code);
        memcpy(outcome->code, value, code.size);
    }
    return 1;
}

/* Connections. */

static void watch(Connection *connection, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(poll_set, operation, connection->descriptor, &event)) fail("epoll");
}

static void leave_idle(Connection *connection) {
    if (connection->previous_idle) connection->previous_idle->next_idle = connection->next_idle;
    else idle = connection->next_idle;
    if (connection->next_idle) connection->next_idle->previous_idle = connection->previous_idle;
    connection->next_idle = connection->previous_idle = NULL;
}

static void enter_idle(Connection *connection) {
    connection->arrival = UINT32_MAX;
    connection->next_idle = idle;
    connection->previous_idle = NULL;
    if (idle) idle->previous_idle = connection;
    idle = connection;
}

/* Closed now, freed at the end of the turn: an event for it may be in hand. */
static Connection *closed;

static void drop(Connection *connection) {
    close(connection->descriptor);
    connection->descriptor = -1;
    connection->next_idle = closed;
    closed = connection;
}

static void free_closed(void) {
    while (closed) {
        Connection *next = closed->next_idle;
        free(closed->answer);
        free(closed);
        closed = next;
    }
}

static void settle(uint32_t arrival, uint8_t end) {
    outcomes[arrival].end = end;
    outcomes[arrival].ended = now() - start;
    serving[arrival] = NULL;
    open_count--;
}

static void push(Connection *connection);

static Connection *connect_anew(void) {
    Connection *connection = grown(NULL, sizeof *connection);
    *connection = (Connection){.arrival = UINT32_MAX, .capacity = 8192};
    connection->answer = grown(NULL, connection->capacity);
    int on = 1;
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection->descriptor < 0) fail("no socket");
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Whether there is one is found out when it is written to. */
    if (connect(connection->descriptor, (struct sockaddr *)&address, sizeof address)) errno = 0;
    watch(connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    return connection;
}

static void begin(uint32_t arrival, int over_new) {
    Connection *connection = over_new ? NULL : idle;
    if (connection) leave_idle(connection);
    else connection = connect_anew();
    connection->reused = !over_new && connection->size > 0;
    connection->arrival = arrival;
    connection->sent = connection->size = 0;
    serving[arrival] = connection;
    push(connection);
}

/* The connection has ended, or could not be made. */
static void broken(Connection *connection) {
    uint32_t arrival = connection->arrival;
    int again = connection->reused && connection->size == 0, was_connected = connection->connected;
    if (arrival == UINT32_MAX) leave_idle(connection);
    drop(connection);
    if (arrival == UINT32_MAX) return;
    serving[arrival] = NULL;
    if (again) begin(arrival, 1);
    else settle(arrival, was_connected ? ENDED_CUT : ENDED_NO_CONNECTION);
}

/* Sends what is left of the request. A failure is found out by the read. */
static void push(Connection *connection) {
    Blob request = questions[arrivals[connection->arrival].question].request;
    while (connection->sent < request.size) {
        ssize_t count = send(connection->descriptor, request.bytes + connection->sent, request.size - connection->sent,
                             MSG_NOSIGNAL);
        if (count < 0) return;
        connection->connected = 1;
        connection->sent += (size_t)count;
    }
    watch(connection, EPOLLIN, EPOLL_CTL_MOD);
}

static void receive(Connection *connection) {
    for (;;) {
        if (connection->capacity - connection->size < 4096)
            connection->answer = grown(connection->answer, connection->capacity *= 2);
        size_t room = connection->capacity - connection->size;
        ssize_t count = recv(connection->descriptor, connection->answer + connection->size, room, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (count <= 0 || connection->arrival == UINT32_MAX) {
            broken(connection);
            return;
        }
        Outcome *outcome = &outcomes[connection->arrival];
        if (!outcome->first) outcome->first = now() - start;
        connection->size += (size_t)count;
        if (is_answered(connection)) {
            settle(connection->arrival, ENDED_WHOLE);
            enter_idle(connection);
            return;
        }
        if ((size_t)count < room) return;
    }
}

static void handle(Connection *connection, uint32_t events) {
    if (connection->descriptor < 0) return;
    if (events & EPOLLOUT && connection->arrival != UINT32_MAX && !(events & (EPOLLERR | EPOLLHUP))) push(connection);
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) receive(connection);
}

/* The plan, carried out. */

static void send_due(void) {
    while (next_arrival < arrival_count && start + arrivals[next_arrival].due <= now()) {
        outcomes[next_arrival].sent = now() - start;
        open_count++;
        begin(next_arrival++, 0);
    }
}

static void hang_up(void) {
    uint64_t instant = now();
    for (; oldest < next_arrival; oldest++) {
        Connection *connection = serving[oldest];
        if (!connection) continue;
        if (start + arrivals[oldest].due + give_up > instant) return;
        settle(oldest, ENDED_GAVE_UP);
        drop(connection);
    }
}

static void set_timer(void) {
    uint64_t next = UINT64_MAX;
    if (next_arrival < arrival_count) next = start + arrivals[next_arrival].due;
    if (oldest < next_arrival && start + arrivals[oldest].due + give_up < next)
        next = start + arrivals[oldest].due + give_up;
    struct itimerspec spec = {.it_value = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL)) fail("timer");
}

static void run(void) {
    struct epoll_event events[32];
    while (next_arrival < arrival_count || open_count) {
        set_timer();
        int count = epoll_wait(poll_set, events, 32, -1);
        for (int index = 0; index < count; index++) {
            if (events[index].data.ptr) handle(events[index].data.ptr, events[index].events);
            else {
                uint64_t expirations;
                if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
            }
        }
        send_due();
        hang_up();
        free_closed();
    }
}

int main(int count, char **arguments) {
    errno = 0;
    if (count != 4) fail("usage: storm-load PORT START GIVE_UP_MS < plan > outcomes");
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    start = strtoull(arguments[2], NULL, 10);
    give_up = strtoull(arguments[3], NULL, 10) * 1000000u;
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
    /* Whoever measures must not wait for what is measured. Needs a right that not everybody has. */
    struct sched_param priority = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_RR, &priority)) errno = 0;
    read_plan();
    if (now() > start) fail("the plan was not read before its beginning");
    poll_set = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (poll_set < 0 || timer < 0 || epoll_ctl(poll_set, EPOLL_CTL_ADD, timer, &event)) fail("epoll");
    run();
    if (fwrite(outcomes, sizeof *outcomes, arrival_count, stdout) != arrival_count) fail("cannot write");
    return 0;
}
