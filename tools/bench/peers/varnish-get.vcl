# Varnish at its best: a GET whose URL is the whole key. A POST of the same URL fills the entry, since what is behind is
# only to be asked with POST; no GET is ever passed on.
vcl 4.1;

import std;

backend provider {
    .host = "127.0.0.1";
    .port = "@{upstream_port}";
}

sub vcl_recv {
    if (req.method == "POST" && !std.cache_req_body(64KB)) {
        return (synth(413));
    }
    return (hash);
}

sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

sub vcl_miss {
    if (req.method != "POST") {
        return (synth(504));
    }
}

sub vcl_backend_fetch {
    # A lookup makes a GET of what is fetched.
    set bereq.method = "POST";
    set bereq.url = regsub(bereq.url, "\?.*", "");
}

sub vcl_backend_response {
    # An answer to one caller is meant for all: what is about the call alone is left out.
    unset beresp.http.Set-Cookie;
    unset beresp.http.X-Request-Id;
    unset beresp.http.X-Ratelimit-Remaining-Requests;
    unset beresp.http.Openai-Processing-Ms;
    if (beresp.status == 200) {
        set beresp.ttl = 24h;
    } else {
        set beresp.ttl = 0s;
    }
}
