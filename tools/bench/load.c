/* A closed-loop client that does as little as possible: sends the requests it is given, and notes when what came.
 *
 *     load PORT CONNECTIONS SECONDS_MAX < requests > answers
 *
 * Requests are blobs behind their length (u32, all numbers little endian). All connections are made first; then each
 * sends the next request as soon as it has its answer. An answer is HTTP/1.1 with a Content-Length or in chunks, or one
 * reply of Redis. When all is over, for each request in its order: u32 whole (0: the connection ended before), u64 when
 * it was sent, u32 count of reads, for each read u32 bytes until then and u64 when, u32 size, the answer's bytes.
 * Instants are nanoseconds of the monotonic clock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { uint32_t end; uint64_t at; } Mark;
typedef struct {
    char *request, *answer;
    size_t request_size, size, capacity;
    uint64_t sent_at;
    Mark *marks;
    uint32_t mark_count, whole;
    size_t expected; /* size of the whole answer; 0: not known yet, SIZE_MAX: chunked */
} Exchange;

static Exchange *exchanges;
static size_t exchange_count, next_exchange, open_count;

static void fail(const char *reason) {
    fprintf(stderr, "load: %s%s%s\n", reason, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *grown(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (!memory) fail("no memory");
    return memory;
}

static void read_requests(void) {
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        if ((exchange_count & (exchange_count + 1)) == 0)
            exchanges = grown(exchanges, (2 * exchange_count + 2) * sizeof *exchanges);
        Exchange *exchange = &exchanges[exchange_count++];
        memset(exchange, 0, sizeof *exchange);
        exchange->request = grown(NULL, size);
        exchange->request_size = size;
        exchange->capacity = 8192;
        exchange->answer = grown(NULL, exchange->capacity);
        exchange->marks = grown(NULL, 4 * sizeof(Mark));
        if (fread(exchange->request, 1, size, stdin) != size) fail("the input ends in the middle of a request");
    }
}

static int connect_to(int port) {
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address)) fail("cannot connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static void send_next(int descriptor, Exchange **current) {
    *current = next_exchange < exchange_count ? &exchanges[next_exchange++] : NULL;
    if (!*current) {
        close(descriptor);
        open_count--;
        return;
    }
    (*current)->sent_at = now();
    for (size_t sent = 0; sent < (*current)->request_size;) {
        ssize_t count =
            send(descriptor, (*current)->request + sent, (*current)->request_size - sent, MSG_NOSIGNAL);
        if (count < 0) return; /* the read that follows finds out */
        sent += (size_t)count;
    }
}

/* Finds out from its beginning how large an answer is going to be. */
static void expect(Exchange *exchange) {
    char *line = exchange->answer;
    char *end = memmem(line, exchange->size, "\r\n", 2);
    if (!end) return;
    if (*line == '$') {
        long size = atol(line + 1);
        exchange->expected = (size_t)(end + 2 - line) + (size < 0 ? 0 : (size_t)size + 2);
        return;
    }
    if (*line != 'H') {
        exchange->expected = (size_t)(end + 2 - line);
        return;
    }
    char *body = memmem(line, exchange->size, "\r\n\r\n", 4);
    if (!body) return;
    for (exchange->expected = SIZE_MAX; end < body; end = memmem(end + 2, (size_t)(body - end), "\r\n", 2))
        if (!strncasecmp(end + 2, "content-length:", 15))
            exchange->expected = (size_t)(body + 4 - exchange->answer) + strtoul(end + 17, NULL, 10);
}

static int is_whole(Exchange *exchange) {
    if (!exchange->expected) expect(exchange);
    if (exchange->expected != SIZE_MAX) return exchange->expected && exchange->size >= exchange->expected;
    /* The line ends of event streams and of JSON are line feeds alone: only the last chunk looks like this. */
    return exchange->size > 7 && !memcmp(exchange->answer + exchange->size - 7, "\r\n0\r\n\r\n", 7);
}

/* Returns 0 when the connection has ended. */
static int read_some(int descriptor, Exchange *exchange) {
    if (exchange->capacity - exchange->size < 4096)
        exchange->answer = grown(exchange->answer, exchange->capacity *= 2);
    ssize_t count =
        recv(descriptor, exchange->answer + exchange->size, exchange->capacity - exchange->size, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
    if (count <= 0) return 0;
    exchange->size += (size_t)count;
    uint32_t marks = exchange->mark_count++;
    if (marks >= 4 && (marks & (marks - 1)) == 0)
        exchange->marks = grown(exchange->marks, 2 * marks * sizeof(Mark));
    exchange->marks[marks] = (Mark){(uint32_t)exchange->size, now()};
    exchange->whole = (uint32_t)is_whole(exchange);
    return 1;
}

static void run(int port, size_t connections) {
    int poll = epoll_create1(0), *descriptors = grown(NULL, connections * sizeof(int));
    Exchange **current = grown(NULL, connections * sizeof *current);
    struct epoll_event events[256];
    for (size_t index = 0; index < connections; index++) {
        descriptors[index] = connect_to(port);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, descriptors[index], &event)) fail("epoll");
    }
    open_count = connections;
    for (size_t index = 0; index < connections; index++) send_next(descriptors[index], &current[index]);
    while (open_count) {
        int count = epoll_wait(poll, events, 256, -1);
        for (int event = 0; event < count; event++) {
            size_t index = events[event].data.u64;
            if (!current[index]) continue;
            if (!read_some(descriptors[index], current[index])) {
                current[index] = NULL;
                close(descriptors[index]);
                open_count--;
            } else if (current[index]->whole) {
                send_next(descriptors[index], &current[index]);
            }
        }
    }
}

static void put(const void *bytes, size_t size) {
    if (fwrite(bytes, 1, size, stdout) != size) fail("cannot write");
}

int main(int count, char **arguments) {
    errno = 0;
    if (count != 4) fail("usage: load PORT CONNECTIONS SECONDS_MAX < requests > answers");
    read_requests();
    alarm((unsigned)atoi(arguments[3]));
    run(atoi(arguments[1]), strtoul(arguments[2], NULL, 10));
    alarm(0);
    for (size_t index = 0; index < exchange_count; index++) {
        Exchange *exchange = &exchanges[index];
        uint32_t size = (uint32_t)exchange->size;
        put(&exchange->whole, 4);
        put(&exchange->sent_at, 8);
        put(&exchange->mark_count, 4);
        for (uint32_t mark = 0; mark < exchange->mark_count; mark++) {
            put(&exchange->marks[mark].end, 4);
            put(&exchange->marks[mark].at, 8);
        }
        put(&size, 4);
        put(exchange->answer, size);
    }
    return 0;
}
