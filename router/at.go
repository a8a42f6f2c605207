package router

import (
	"net/http"
	"net/http/httputil"
	"slices"

	"berth.dev/berth/router/route"
)

// at passes on what Berth asks another router: a Service leads Berth to any of them. It leads to routers of this cluster only.
func (r *Router) at(own http.Handler) http.HandlerFunc {
	onward := &httputil.ReverseProxy{Transport: newTransport(),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.PathValue("router")
			p.Out.URL.Path, p.Out.URL.RawPath = "/"+p.In.PathValue("path"), ""
		},
		ErrorHandler: func(w http.ResponseWriter, in *http.Request, err error) {
			http.Error(w, "the router "+in.PathValue("router")+" does not answer: "+err.Error(), http.StatusBadGateway)
		}}
	return func(w http.ResponseWriter, in *http.Request) {
		asked := in.PathValue("router")
		r.mu.Lock()
		self, known := asked == r.members.self, slices.Contains(r.known, asked)
		r.mu.Unlock()
		switch {
		case self:
			http.StripPrefix(route.AtPath+asked, own).ServeHTTP(w, in)
		case known:
			onward.ServeHTTP(w, in)
		default: // it has left, or is not known here yet
			http.Error(w, "no router of this cluster has the address "+asked, http.StatusBadGateway)
		}
	}
}

// SetKnown takes over the internal addresses of all routers, also of those that are not ready: one that ends has something to tell.
func (r *Router) SetKnown(addresses []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = addresses
}
