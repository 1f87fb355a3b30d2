# Varnish in front of the examples: 3000 is the application, 3001 has event streams, 3002 WebSockets.
vcl 4.1;

backend app { .host = "127.0.0.1"; .port = "3000"; }
backend events { .host = "127.0.0.1"; .port = "3001"; }
backend echo { .host = "127.0.0.1"; .port = "3002"; }

sub vcl_recv {
    set req.backend_hint = app;
    if (req.url == "/events") {
        set req.backend_hint = events;
    }
    if (req.http.upgrade ~ "(?i)websocket") {
        set req.backend_hint = echo;
        return (pipe);
    }
}

sub vcl_pipe {
    if (req.http.upgrade) {
        set bereq.http.upgrade = req.http.upgrade;
        set bereq.http.connection = req.http.connection;
    }
}
