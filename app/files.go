package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/blob/azure"
	"berth.dev/berth/clusters"
	"berth.dev/berth/disk"
	"berth.dev/berth/identity"
	"berth.dev/berth/kube"
	"berth.dev/berth/models"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/serving"
)

const (
	filesKey    = "files-key.txt"
	filesFolder = "files"
)

// openFiles opens the store of files and the account that serves it.
func (s *server) openFiles(ctx context.Context) error {
	key, err := loadOrMakeFilesKey(filepath.Join(s.config.DataDir, filesKey))
	if err != nil {
		return err
	}
	settings := blob.Settings{Folder: filepath.Join(s.config.DataDir, filesFolder), Clock: s.clock}
	_, all, err := disk.Free(s.config.DataDir)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("the size of the disk with the data folder cannot be read: %w", err)
	}
	settings.Spare = spare(all)
	if settings.Max, err = s.config.filesMax(all); err != nil {
		return err
	}
	if s.files, err = blob.Open(ctx, settings); err != nil {
		return err
	}
	s.onStop(s.files.Close)
	if s.scoring, err = identity.LoadOrMakeScoringKeys(s.config.DataDir, s.clock); err != nil {
		return err
	}
	s.openServing()
	s.account = &azure.Account{Name: berth.FilesAccount, Key: key, Store: s.files, Clock: s.clock, Log: s.log}
	return nil
}

// Uploads leave a fiftieth of the disk free, at most 5 GB: the database and the clusters need room too.
const (
	spareShare = 50
	mostSpare  = 5_000_000_000
)

// spare is how many bytes of a disk of this size stay free.
func spare(disk int64) int64 { return min(disk/spareShare, mostSpare) }

var sizePattern = regexp.MustCompile(`^([1-9][0-9]{0,5}) ?(%|[KMGT]i?B)$`)

var sizeUnits = map[string]int64{
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// filesMax is how many bytes files may take on a disk of this size; 0 for no bound. A disk whose size is not known has no share.
func (c *Config) filesMax(disk int64) (int64, error) {
	if c.FilesMax == "none" {
		return 0, nil
	}
	m := sizePattern.FindStringSubmatch(c.FilesMax)
	if m == nil {
		return 0, fmt.Errorf("--files-max %q is neither a size such as 200GB, nor a part of the disk such as 80%%, nor none", c.FilesMax)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // it has at most six digits
	if m[2] != "%" {
		return n * sizeUnits[m[2]], nil
	}
	if n > 100 {
		return 0, fmt.Errorf("--files-max %q is more than the disk", c.FilesMax)
	}
	return disk / 100 * n, nil
}

// collectFiles removes files that nothing refers to, and fetches the data that services collect, until the server stops.
func (s *server) collectFiles(ctx context.Context) {
	c := &models.Collector{Store: s.store, Files: s.files, Clock: s.clock, Log: s.log}
	g := &reconcile.Gatherer{Store: s.store, Clusters: s.clusters, Serving: s.serving, Files: s.files, Clock: s.clock, Log: s.log}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var both sync.WaitGroup
	both.Go(func() { c.Run(run) })
	both.Go(func() { g.Run(run) })
	s.onStop(func() error { cancel(); both.Wait(); return nil })
}

// loadOrMakeFilesKey is the key that signs the addresses of files.
func loadOrMakeFilesKey(path string) ([]byte, error) {
	text, err := disk.Read(path, disk.Secret)
	if errors.Is(err, fs.ErrNotExist) {
		key := azure.NewKey()
		return key, disk.Write(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), disk.Secret)
	}
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
}

// filesURL is where clients find the files.
func (s *server) filesURL() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	if port == "443" {
		return "https://" + berth.FilesHost
	}
	return "https://" + net.JoinHostPort(berth.FilesHost, port)
}

// withFiles lets the account answer under its host name.
func (s *server) withFiles(rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !strings.EqualFold(host, berth.FilesHost) {
			rest.ServeHTTP(w, r)
			return
		}
		s.account.ServeHTTP(w, r) // it moves the deadlines of the connection itself: an upload may take hours
	})
}

// models answers what version 1 of the SDK asks about models and services.
func (s *server) models(subscription string) *models.Server {
	return models.New(models.Options{Store: s.store, Files: s.files, Clock: s.clock, Subscription: subscription, FilesURL: s.filesURL(),
		Sign: s.account.SAS, SignFolder: s.account.FolderSAS, Logs: s.serviceLog, Token: s.scoring.Token,
		TokenRefresh: identity.ScoringRefresh, TokenLife: identity.ScoringLife,
		HasPython: s.hasPython, Judge: func(e berth.ServiceEnvironment) *berth.Error {
			return s.serving.Judge(serving.Environment{Python: e.Python, Requirements: e.Pip, Conda: e.Conda, Image: e.Image})
		}})
}

// SystemRoots are where systems keep the authorities that they trust.
var SystemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",             // openSUSE
	"/etc/ssl/cert.pem",                  // macOS, BSD
}

// indexSettings say where Python packages come from.
var indexSettings = []string{"UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"}

// traceSettings say more about the spans of routers: see the specification of OpenTelemetry. They may hold credentials.
var traceSettings = []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_COMPRESSION",
	"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_RESOURCE_ATTRIBUTES"}

// openServing prepares how models are served in clusters. Pods trust what this machine trusts, and find packages where it finds them.
func (s *server) openServing() {
	o := serving.Options{Clock: s.clock, Pull: s.pullConfig(), ExactPython: s.config.Python == pythonExact, Index: map[string]string{},
		FindPython: func() string {
			name, err := ImportedPython(s.config.DataDir)
			if err != nil {
				s.log.Warn("the imported images cannot be listed", "error", err)
			}
			return name
		}}
	for _, file := range append([]string{os.Getenv("SSL_CERT_FILE")}, SystemRoots...) {
		if text, err := os.ReadFile(file); err == nil { // #nosec G304 -- the operator's own
			o.Authorities = text
			break
		}
	}
	for _, name := range indexSettings {
		if value := os.Getenv(name); value != "" {
			o.Index[name] = value
		}
	}
	if s.config.OTLPEndpoint != "" {
		o.Traces = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": s.config.OTLPEndpoint}
		for _, name := range traceSettings {
			if value := os.Getenv(name); value != "" {
				o.Traces[name] = value
			}
		}
	}
	o.Builds = &builds{server: s}
	s.serving = serving.New(o)
}

// serviceLog reads the log of the pods of a service.
func (s *server) serviceLog(ctx context.Context, service *berth.Resource, q models.LogQuery) (string, error) {
	compute, err := s.clusters.ComputeOf(ctx, service)
	if err != nil {
		return "", err
	}
	body := compute.Body.(*berth.Compute)
	conn, err := s.clusters.Connect(ctx, body.Spec.ClusterID)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	namespace := clusters.NamespaceOf(compute.ID, body)
	text, err := s.serving.Logs(ctx, conn, serving.LogQuery{Namespace: namespace, Name: clusters.ServedName(service.ID), Pod: q.Pod,
		Init: q.Init, Lines: q.Lines})
	routed := service.Body.(berth.Served).Now().Routed
	if err != nil || q.Init || q.Pod != "" || routed == nil || !routed.LogRequests {
		return text, err
	}
	requests, err := s.serving.Requests(ctx, conn, serving.RequestQuery{ID: service.ID, Lines: q.Lines})
	if kube.Denied(err) {
		requests = berth.RouterUnasked + "\n"
	} else if err != nil { // the log of the pods is worth more
		s.log.Warn("the lines about requests cannot be read", "service", service.ID, "error", err)
	}
	if requests != "" {
		requests = models.LogHead("requests") + requests
	}
	if text != "" && requests != "" {
		text += "\n"
	}
	return text + requests, nil
}

// hasPython reports whether there is an image of Python. What cannot be read is left to the deployment, which says what is missing.
func (s *server) hasPython() bool {
	name, err := ImportedPython(s.config.DataDir)
	return err != nil || name != ""
}
