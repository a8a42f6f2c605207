package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/disk"
	"berth.dev/berth/identity"
	"berth.dev/berth/store"
)

const (
	// serverFile has the id of a data folder as a server, which the clusters in the folder belong to.
	serverFile     = "server-id.txt"
	signingFile    = "signing-key.pem"
	credentialFile = "credentials.json"
	secretsKeyFile = "secrets-key.txt"
)

// openDatabase opens the database of the settings: a file in the data folder, or one that several servers share.
func (s *server) openDatabase(ctx context.Context, o store.Options) (*store.Store, error) {
	file := filepath.Join(s.config.DataDir, database)
	if s.config.Database == "" {
		return store.Open(ctx, file, o)
	}
	if _, err := os.Stat(file); err == nil {
		s.log.Warn("the data folder has a database file, which is not used; 'berth admin migrate-database' copies it", "file", file)
	}
	self, err := s.self()
	if err != nil {
		return nil, err
	}
	db, err := store.OpenPostgres(ctx, s.config.Database, self, o)
	if err != nil {
		return nil, err
	}
	drift, err := db.Drift(ctx)
	if err == nil && drift.Abs() > maxDrift {
		err = fmt.Errorf("the clock of this machine differs by %s from that of the database, and servers that share work need the same time; "+
			"set the clock, or have it set by NTP", drift.Round(time.Second))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// maxDrift is how much the clocks of servers may differ: a third of a lease.
const maxDrift = 10 * time.Second

// self is this server among those on the database.
func (s *server) self() (store.Server, error) {
	path := filepath.Join(s.config.DataDir, serverFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(uuid.NewString() + "\n")
		err = disk.Write(path, text, disk.Secret)
	}
	id := strings.TrimSpace(string(text))
	if err == nil && uuid.Validate(id) != nil {
		err = fmt.Errorf("%s does not contain a GUID; remove it to create a new one: the clusters in the data folder then belong to no server",
			path)
	}
	host, _ := os.Hostname() // for messages only
	return store.Server{ID: id, Name: host}, err
}

// sharedFiles are the key files that all servers on a database have in common, which are in the database, sealed with the one key file
// that the operator brings to each server.
func (s *server) sharedFiles() []string {
	names := []string{signingFile, credentialFile, filesKey, identity.ScoringKeyFile}
	if s.config.TLSCert == "" {
		names = append(names, "ca.pem", "ca-key.pem")
	}
	return names
}

// shareKeys brings the key files of the data folder and those in the database together. The first server on a database puts its own
// there; the others take them.
func (s *server) shareKeys(ctx context.Context) error {
	if s.config.Database == "" {
		return nil
	}
	for made := false; ; made = true {
		there, err := s.store.Shared(ctx)
		if errors.Is(err, store.ErrOtherKey) {
			return fmt.Errorf("%s does not open the secrets in the database: copy the file of this name from the data folder of a server that "+
				"uses the database, and start again", filepath.Join(s.config.DataDir, secretsKeyFile))
		}
		if err != nil {
			return err
		}
		missing := false
		for _, name := range s.sharedFiles() {
			missing = missing || there[name] == nil
		}
		if !missing || made {
			return s.takeKeys(there)
		}
		if err := s.makeKeys(); err != nil {
			return err
		}
		own := map[string][]byte{}
		for _, name := range s.sharedFiles() {
			if own[name], err = os.ReadFile(filepath.Join(s.config.DataDir, name)); err != nil {
				return err
			}
		}
		if err := s.store.Share(ctx, own); err != nil {
			return err
		}
	}
}

// makeKeys makes the key files that the data folder does not have yet.
func (s *server) makeKeys() error {
	dir := s.config.DataDir
	c, _, err := identity.LoadOrMakeCredentials(dir, identity.Place{Endpoint: s.info.Endpoint, CloudName: s.config.CloudName})
	if err == nil {
		err = c.Keep(dir)
	}
	_, err1 := identity.LoadOrMakeKeys(dir, s.clock)
	_, err2 := identity.LoadOrMakeScoringKeys(dir, s.clock)
	_, err3 := loadOrMakeFilesKey(filepath.Join(dir, filesKey))
	if s.config.TLSCert == "" {
		_, err4 := identity.LoadOrMakeCA(dir, s.clock.Now())
		err = errors.Join(err, err4)
	}
	return errors.Join(err, err1, err2, err3)
}

// takeKeys writes the shared key files into the data folder. Others that were there are kept beside them.
func (s *server) takeKeys(shared map[string][]byte) error {
	stamp := s.clock.Now().UTC().Format("20060102-150405.000")
	for _, name := range s.sharedFiles() {
		path, text := filepath.Join(s.config.DataDir, name), shared[name]
		own, err := os.ReadFile(path)
		if err == nil && sameKeys(name, own, text) {
			continue
		}
		if err == nil {
			err = os.Rename(path, path+".before-"+stamp)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		mode := disk.Secret
		if name == "ca.pem" { // clients of other users read it
			mode = disk.Public
		}
		if err := errors.Join(err, disk.Write(path, text, mode)); err != nil {
			return err
		}
	}
	return nil
}

// sameKeys compares two key files. Credentials also say where the server is, which differs.
func sameKeys(name string, a, b []byte) bool {
	if name != credentialFile {
		return bytes.Equal(a, b)
	}
	var c, d identity.Credentials
	if json.Unmarshal(a, &c) != nil || json.Unmarshal(b, &d) != nil {
		return false
	}
	d.Endpoint, d.CAFile = c.Endpoint, c.CAFile
	d.CloudName = c.CloudName
	return c == d
}

// followOthers keeps what this process has in memory in step with what the other servers change. Each change is heard before Sync
// returns, and so before the next answer.
func (s *server) followOthers() {
	if s.config.Database == "" {
		return
	}
	s.keys.Share(func(text []byte) error { return s.store.PutShared(context.Background(), signingFile, text) })
	s.onStop(func() error { s.keys.Share(nil); return nil })
	cancel := s.store.Subscribe(func(e store.Event) {
		missed := e.Key == "" // it may have been anything
		if missed || e.Key == store.ApplicationsChanged {
			s.directory.Forget()
		}
		if missed || e.Key == store.PeopleChanged {
			s.people.Forget()
		}
		if missed || e.Key == store.KeysChanged {
			s.keys.Forget(s.sharedKeys)
		}
	})
	s.onStop(func() error { cancel(); return nil })
	s.directory.Forget() // what was changed between the first reading and now
	s.people.Forget()
	s.keys.Forget(s.sharedKeys)
}

// sharedKeys is the file of the signing keys as all servers share it.
func (s *server) sharedKeys() ([]byte, error) {
	all, err := s.store.Shared(context.Background())
	return all[signingFile], err
}

// synced answers nothing before this server knows all that the others had committed when the request came in.
func (s *server) synced(next http.Handler) http.Handler {
	if s.config.Database == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.store.Sync(r.Context()); err != nil && r.Context().Err() == nil && !observes(r) {
			s.unavailable(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// observes reports whether a request asks for the state of the server itself, which is answered without a database too.
func observes(r *http.Request) bool {
	return r.URL.Path == "/metrics" || r.URL.Path == "/healthz" || r.URL.Path == "/livez" || r.URL.Path == "/readyz"
}

// unavailable answers as Resource Manager does.
func (s *server) unavailable(w http.ResponseWriter, err error) {
	e, ours := errors.AsType[*berth.Error](err)
	if !ours {
		e = berth.Errorf(berth.CodeServiceUnavailable, "Berth's database cannot be used at present (%v). Try again in a moment.", err)
	}
	s.log.Error("a request was refused: the database cannot be used", "error", err)
	notNow(w, e, 5)
}

// notNow answers that a request can be sent again after a time in seconds.
func notNow(w http.ResponseWriter, e *berth.Error, after int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Retry-After", strconv.Itoa(after))
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": e}) // the client has gone
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has || u.Query().Has("password")
}

// checkDatabase does not repeat the URL, which may contain a password.
func (c *Config) checkDatabase() error {
	if c.Database == "" {
		return nil
	}
	u, err := url.Parse(c.Database)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("--database must be a URL such as postgres://berth@db.example.com/berth; leave it out for a file in the data folder")
	}
	return nil
}
