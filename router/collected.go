package router

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	"berth.dev/berth/router/route"
)

// maxListed is how many files are listed at once. What was fetched is gone from the next list.
const maxListed = 500

// collected adds what Berth asks for collected data. It shows the peer key: other pods of the cluster must not read what callers have sent.
func (r *Router) collected(m *http.ServeMux) {
	m.HandleFunc("POST "+route.ModelDataPath, r.serveModelData) // replicas have no key: see there
	m.HandleFunc("GET "+route.RequestsPath, r.peersOnly(r.serveRequests))
	m.HandleFunc("POST "+route.CollectedPath, r.peersOnly(func(w http.ResponseWriter, _ *http.Request) {
		out := route.Collected{Segments: []route.Segment{}}
		if r.spool != nil {
			all := r.spool.Seal()
			out.Segments = all[:min(len(all), maxListed)]
			_, out.Dropped = r.spool.usage(true)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}))
	m.HandleFunc("GET "+route.CollectedPath+"/{id}", r.peersOnly(func(w http.ResponseWriter, in *http.Request) {
		if r.spool == nil {
			http.NotFound(w, in)
			return
		}
		f, err := r.spool.Read(in.PathValue("id"))
		if errors.Is(err, os.ErrNotExist) {
			http.NotFound(w, in)
			return
		}
		if err != nil {
			http.Error(w, "the file cannot be read", http.StatusInternalServerError)
			return
		}
		defer func() { _ = f.Close() }()
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.Copy(w, f)
	}))
	m.HandleFunc("DELETE "+route.CollectedPath+"/{id}", r.peersOnly(func(w http.ResponseWriter, in *http.Request) {
		if r.spool != nil {
			r.spool.Remove(in.PathValue("id"))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}
