/* Reads HTTP/1.1 answers, and says which of three known texts one is: the primary's, the lighter model's, the fixed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { VERDICT_NONE, VERDICT_PRIMARY, VERDICT_LIGHTER, VERDICT_FIXED, VERDICT_CUT, VERDICT_WRONG };

typedef struct { char *bytes; size_t size; } Blob;
typedef struct { Blob request, primary, lighter; } Question;

static const char *find(const char *from, const char *end, const char *word) {
    return from < end ? memmem(from, (size_t)(end - from), word, strlen(word)) : NULL;
}

/* The value of a header, without its blanks, as far as there is room. */
static int header(const char *head, const char *end, const char *name, char *value, size_t room) {
    for (const char *line = find(head, end, "\r\n"); line && line + 2 < end; line = find(line + 2, end, "\r\n")) {
        size_t size = strlen(name);
        if ((size_t)(end - line) < size + 3 || strncasecmp(line + 2, name, size) || line[2 + size] != ':') continue;
        const char *from = line + 3 + size, *to = find(from, end, "\r\n");
        if (!to) to = end;
        while (from < to && *from == ' ') from++;
        size = (size_t)(to - from) < room - 1 ? (size_t)(to - from) : room - 1;
        memcpy(value, from, size);
        value[size] = 0;
        return 1;
    }
    return 0;
}

/* Whether all chunks are there; takes them out of their framing, in place, when asked to. */
static int read_chunks(char *body, size_t size, int takes_out, size_t *out_size) {
    size_t at = 0, out = 0;
    for (;;) {
        const char *line_end = find(body + at, body + size, "\r\n");
        if (!line_end) break;
        size_t chunk = strtoul(body + at, NULL, 16), from = (size_t)(line_end + 2 - body);
        if (chunk == 0) {
            *out_size = out;
            return from + 2 <= size;
        }
        size_t there = from + chunk <= size ? chunk : size - from;
        if (takes_out) memmove(body + out, body + from, there);
        out += there;
        at = from + chunk + 2;
        if (at > size) break;
    }
    *out_size = out;
    return 0;
}

/* Appends the JSON string that follows `name` between two places, if it is there. */
static void add_text(const char *from, const char *end, const char *name, Blob *text) {
    const char *value = find(from, end, name);
    if (!value) return;
    value += strlen(name);
    const char *quote = memchr(value, '"', (size_t)(end - value));
    size_t size = (size_t)((quote ? quote : end) - value);
    memcpy(text->bytes + text->size, value, size);
    text->size += size;
}

static int is(Blob text, Blob expected) {
    return text.size == expected.size && text.size && !memcmp(text.bytes, expected.bytes, text.size);
}

/* Which of the three texts an answer under status 200 is. An answer that says that it was cut is not a wrong one. */
static uint8_t judge(const char *body, size_t size, int is_stream, const Question *question, Blob fixed) {
    Blob text = {malloc(size + 1), 0};
    if (!text.bytes) abort();
    const char *end = body + size;
    int is_whole = 0, is_mixed = 0, has_error = 0;
    if (is_stream) {
        Blob id = {NULL, 0};
        for (const char *line = body; line && line < end;) {
            const char *next = memchr(line, '\n', (size_t)(end - line));
            const char *stop = next ? next : end;
            if (stop - line > 6 && !memcmp(line, "data: ", 6)) {
                Blob seen = {(char *)find(line, stop, "\"id\":\""), 0};
                const char *quote = seen.bytes ? memchr(seen.bytes + 6, '"', (size_t)(stop - seen.bytes - 6)) : NULL;
                if (quote) seen.size = (size_t)(quote - seen.bytes);
                if (quote && id.bytes) is_mixed |= !is(seen, id);
                if (quote && !id.bytes) id = seen;
                has_error |= find(line, stop, "{\"error\":") == line + 6;
                is_whole |= stop - line >= 12 && !memcmp(line + 6, "[DONE]", 6);
                add_text(line, stop, "\"content\":\"", &text);
            }
            line = next ? next + 1 : NULL;
        }
    } else {
        add_text(body, end, "\"content\":\"", &text);
        is_whole = find(body, end, "\"finish_reason\":\"stop\"") != NULL;
    }
    uint8_t verdict = VERDICT_WRONG;
    if (is_mixed) verdict = VERDICT_WRONG;
    else if (is_stream && (has_error || !is_whole)) verdict = VERDICT_CUT;
    else if (is_whole && is(text, question->primary)) verdict = VERDICT_PRIMARY;
    else if (is_whole && is(text, question->lighter)) verdict = VERDICT_LIGHTER;
    else if (is(text, fixed)) verdict = VERDICT_FIXED;
    free(text.bytes);
    return verdict;
}
