# Varnish as a cache of POST: the body is part of the key, followers join the fetch that is under way.
vcl 4.1;

import bodyaccess;
import std;

backend provider {
    .host = "127.0.0.1";
    .port = "@{upstream_port}";
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 60s;
}

sub vcl_recv {
    if (!std.cache_req_body(64KB)) {
        return (synth(413));
    }
    return (hash);
}

sub vcl_hash {
    hash_data(req.url);
    hash_data(req.http.Authorization);
    bodyaccess.hash_req_body();
    return (lookup);
}

sub vcl_backend_fetch {
    # A lookup makes a GET of what is fetched.
    set bereq.method = "POST";
}

sub vcl_backend_response {
    # An answer to one caller is meant for all: what is about the call alone is left out.
    unset beresp.http.Set-Cookie;
    unset beresp.http.X-Request-Id;
    unset beresp.http.X-Ratelimit-Remaining-Requests;
    unset beresp.http.Openai-Processing-Ms;
    if (beresp.status == 200) {
        set beresp.ttl = 1h;
    } else {
        set beresp.ttl = 1s;
    }
    set beresp.grace = 24h;
}
