//! V04xx: routes, upstreams and redirects.

use super::{Code, Entry, FoundBy};
use crate::Severity;

catalogue! {
    /// Not an upstream address.
    BAD_UPSTREAM {
        number: "V0401",
        title: "not an upstream address",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "An upstream is a port of this machine (5000), an address and port (127.0.0.1:5000), a URL without \
                      a path (http://… or https://…), or a Unix socket by its absolute path (unix:/run/blog.sock). \
                      What a path means is said by routes.",
        wrong: "hosts: blog.example.com\nupstream: http://127.0.0.1:5000/blog\n",
        right: "hosts: blog.example.com\nupstream: http://127.0.0.1:5000\n",
    }
    /// Not a route path.
    BAD_PATH {
        number: "V0402",
        title: "not a route path",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A route is a path prefix by whole segments: it begins with a slash and has no query, wildcard or \
                      dot segment. /api stands for /api and everything under /api/.",
        wrong: "hosts: blog.example.com\nroutes:\n  api: 5000\n",
        right: "hosts: blog.example.com\nroutes:\n  /api: 5000\n",
    }
    /// Two routes with one path.
    DUPLICATE_ROUTE {
        number: "V0403",
        title: "two routes with one path",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "Paths are compared in their normal form: a trailing slash makes no difference, and the action at \
                      the top level of the file is the route /. Keep one of them.",
        wrong: "hosts: blog.example.com\nroutes:\n  /api: 5000\n  /api/: 5001\n",
        right: "hosts: blog.example.com\nroutes:\n  /api: [5000, 5001]\n",
    }
    /// A site or route that leads nowhere.
    NO_ACTION {
        number: "V0404",
        title: "a site or route that leads nowhere",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A request must lead somewhere: give the site (or the route) an upstream, a redirect or a respond, \
                      or give the site routes.",
        wrong: "hosts: blog.example.com\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
    /// Not a redirect target.
    BAD_REDIRECT {
        number: "V0405",
        title: "not a redirect target",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A target is an absolute http:// or https:// URL, or a path that begins with one slash; {host}, \
                      {path} and {query} are filled in. Two slashes, or a host made of the request's path, would let a \
                      stranger's link lead from your name to theirs.",
        wrong: "hosts: blog.example.com\nredirect: //www.example.com\n",
        right: "hosts: blog.example.com\nredirect: https://www.example.com{path}{query}\n",
    }
    /// An upstream that is the gateway itself.
    UPSTREAM_IS_GATEWAY {
        number: "V0406",
        title: "an upstream that is the gateway itself",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The address is one of the gateway's own listeners, or its admin socket: a request would come back \
                      until a limit stops it. Name the port on which the application itself listens.",
        wrong: "# the gateway listens on 0.0.0.0:443\nhosts: blog.example.com\nupstream: https://127.0.0.1:443\n",
        right: "hosts: blog.example.com\nupstream: 127.0.0.1:5000\n",
    }
    /// A redirect that leads back to itself.
    REDIRECT_LOOP {
        number: "V0407",
        title: "a redirect that leads back to itself",
        severity: Severity::Warning,
        found_by: FoundBy::Site,
        explanation: "The target is a name and path of this very site, and the same redirect answers there too: \
                      browsers give up after some rounds. To bring several names to one, write canonical; to go to \
                      another path, give that path a route of its own.",
        wrong: "hosts: [example.com, www.example.com]\nredirect: https://www.example.com{path}\n",
        right: "hosts: [example.com, www.example.com]\ncanonical: www.example.com\nupstream: 5000\n",
    }
    /// An upstream that its tenant may not be connected to.
    UPSTREAM_OUT_OF_BOUNDS {
        number: "V0408",
        title: "an upstream out of bounds",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The site of an ordinary user is connected to loopback addresses and Unix sockets, and there only \
                      to programs of that user. Other hosts, and sockets of others, are opened by the operator for a \
                      tenant (tenants.USER.upstreams and .owners in the settings). Link-local and metadata addresses, \
                      multicast, reserved addresses and what the operator lists in upstreams.refuse are never opened. \
                      What a name resolves to, and who listens on a port, is asked anew for every connection.",
        wrong: "hosts: blog.example.com\nupstream: http://169.254.169.254\n",
        right: "hosts: blog.example.com\nupstream: 127.0.0.1:5000\n",
    }
}
