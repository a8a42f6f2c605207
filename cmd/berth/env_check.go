package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// clockLimit is how far this machine's clock may be from the server's: clients refuse tokens beyond five minutes or so.
const clockLimit = time.Minute

// finding is the result of one check of env --check.
type finding struct {
	what string // what is right, or what is wrong
	hint string // what to do about it; empty when it is right
}

// checkEnv checks everything between this shell and a resource, in the order in which a client needs it.
func (c *cli) checkEnv(ctx context.Context) error {
	s, err := c.session()
	if err != nil {
		return err
	}
	all := append(c.checkServer(ctx, s), c.checkShell(s)...)
	wrong := 0
	for _, f := range all {
		if f.hint == "" {
			_, _ = fmt.Fprintf(c.out, "✓ %s\n", c.text(f.what))
			continue
		}
		wrong++
		_, _ = fmt.Fprintf(c.out, "✗ %s\n  → %s\n", c.text(f.what), c.text(f.hint))
	}
	if f := checkFiles(ctx, s); f.hint == "" {
		_, _ = fmt.Fprintf(c.out, "✓ %s\n", c.text(f.what))
	} else { // it matters only to those who deploy models
		_, _ = fmt.Fprintf(c.out, "– %s\n  → %s\n", c.text(f.what), c.text(f.hint))
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks failed", wrong, len(all))
	}
	return nil
}

// checkServer checks everything from the name to a token, and stops at the first failure, since the rest could only fail too.
func (c *cli) checkServer(ctx context.Context, s *session) (all []finding) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return append(all, finding{
			fmt.Sprintf("the endpoint %q is not an https address", s.Endpoint),
			"check credentials.json in the data folder, or BERTH_ENDPOINT",
		})
	}
	checks := []func(context.Context, *session, *url.URL) finding{
		checkName, checkConnection, c.checkCertificate, c.checkMetadata, c.checkToken,
	}
	for _, check := range checks {
		f := check(ctx, s, u)
		all = append(all, f)
		if f.hint != "" {
			return all
		}
	}
	return all
}

func checkName(ctx context.Context, _ *session, u *url.URL) finding {
	found, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		return finding{
			fmt.Sprintf("the name %s is not known here: %v", u.Hostname(), err),
			"put it into DNS or /etc/hosts, or start the server with a --public-url that this machine can resolve",
		}
	}
	return finding{what: fmt.Sprintf("the name %s means %s", u.Hostname(), strings.Join(found, ", "))}
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

func checkConnection(ctx context.Context, _ *session, u *url.URL) finding {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return finding{
			fmt.Sprintf("nothing answers at %s: %v", hostPort(u), err),
			"start it with 'berth serve', or name another data folder with --data-dir",
		}
	}
	_ = conn.Close()
	return finding{what: "something listens at " + hostPort(u)}
}

// checkCertificate shakes hands as a client does that trusts the authority which the environment names.
func (c *cli) checkCertificate(ctx context.Context, s *session, u *url.URL) finding {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return finding{
				fmt.Sprintf("the certificate authority's file cannot be read: %v", err),
				"copy ca.pem from the server's data folder and name it in BERTH_CA_FILE",
			}
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(text)
	}
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}).DialContext(ctx, "tcp", hostPort(u))
	if err == nil {
		leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		_ = conn.Close()
		return finding{what: fmt.Sprintf("its certificate is trusted and good until %s", leaf.NotAfter.Format("2006-01-02"))}
	}
	hint := "is it Berth that listens there?"
	if _, bad := errors.AsType[x509.HostnameError](err); bad {
		hint = "start the server with --host " + u.Hostname() + ", so that its certificate has that name"
	} else if _, bad := errors.AsType[x509.UnknownAuthorityError](err); bad {
		hint = "the file " + s.CAFile + " is another server's: copy ca.pem from this server's data folder"
	} else if e, bad := errors.AsType[x509.CertificateInvalidError](err); bad && e.Reason == x509.Expired {
		hint = "one of the two clocks is wrong, or the server has run for too long: compare the time on both machines, then restart the server"
	}
	return finding{fmt.Sprintf("its certificate is refused: %v", err), hint}
}

// checkMetadata reads what every client reads first, and compares the clocks on the way.
func (c *cli) checkMetadata(ctx context.Context, s *session, _ *url.URL) finding {
	web, err := client.HTTPClient(s.CAFile)
	if err != nil {
		return finding{err.Error(), "name the right file in BERTH_CA_FILE"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL(s), nil)
	if err != nil {
		return finding{err.Error(), "check the endpoint"}
	}
	resp, err := web.Do(req)
	if err != nil {
		return finding{
			fmt.Sprintf("the cloud's metadata cannot be read: %v", err),
			"is a proxy set in this shell? Put the server's host into NO_PROXY",
		}
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(text), s.Endpoint) {
		return finding{
			fmt.Sprintf("%s answers %s and is not the metadata of this Berth", metadataURL(s), resp.Status),
			"another server has this address: start Berth there, or name another endpoint",
		}
	}
	if theirs, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if off := time.Since(theirs).Round(time.Second); off.Abs() > clockLimit {
			return finding{
				fmt.Sprintf("this machine's clock is %v away from the server's", off),
				"set the clocks, for example with NTP: tokens are refused otherwise",
			}
		}
	}
	return finding{what: "the cloud's metadata is there, and the clocks agree"}
}

func (c *cli) checkToken(ctx context.Context, s *session, _ *url.URL) finding {
	api, err := client.New(client.Options{Credentials: s.Credentials, UserAgent: "berth/" + version})
	if err == nil {
		_, err = api.ListGroups(ctx)
	}
	if err != nil {
		return finding{
			fmt.Sprintf("signing in fails: %v", err),
			"the client id and secret must be those of this server: see credentials.json in its data folder",
		}
	}
	return finding{what: "signing in works, and so does a first request"}
}

// checkShell compares the environment of this shell with the output of `berth env`, and checks what az has stored.
func (c *cli) checkShell(s *session) []finding {
	vars, err := variables(s)
	if err != nil {
		return []finding{{err.Error(), "mend that first"}}
	}
	var missing []string
	for _, v := range vars {
		if os.Getenv(v.name) != v.value {
			missing = append(missing, v.name)
		}
	}
	if len(missing) > 0 {
		return []finding{{"this shell lacks these variables, or has other values in them: " + strings.Join(missing, ", "),
			`eval "$(berth env)"`}}
	}
	all := []finding{{what: "the environment of this shell is set"}}
	file := filepath.Join(os.Getenv("AZURE_CONFIG_DIR"), "cloudEndpoints.json")
	if text, err := os.ReadFile(file); err == nil && !strings.Contains(string(text), s.Endpoint) {
		all = append(all, finding{"az remembers another address of this cloud", "rm " + file})
	}
	return all
}

// checkFiles tells how the SDKs find the host name under which files of models are.
func checkFiles(ctx context.Context, s *session) finding {
	proxy, err := proxyURL(s)
	if err == nil && (os.Getenv("HTTPS_PROXY") == proxy || os.Getenv("https_proxy") == proxy) {
		return finding{what: "files of models go through the server's own proxy (HTTPS_PROXY)"}
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return finding{what: err.Error(), hint: "check the endpoint"}
	}
	server, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil || len(server) == 0 {
		server = []string{"ADDRESS"}
	}
	if found, err := net.DefaultResolver.LookupHost(ctx, berth.FilesHost); err == nil {
		return finding{what: fmt.Sprintf("the name %s, at which files of models are, means %s", berth.FilesHost, strings.Join(found, ", "))}
	}
	return finding{
		what: fmt.Sprintf("the name %s, at which files of models are, is not known here", berth.FilesHost),
		hint: fmt.Sprintf("to register and deploy models, add the line '%s %s' to /etc/hosts, or run: eval \"$(berth env --proxy)\"",
			server[0], berth.FilesHost),
	}
}
