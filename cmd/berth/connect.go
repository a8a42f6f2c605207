package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

// session is the server to talk to, and where its credentials come from.
type session struct {
	client.Credentials
	dataDir string // of the server, when the credentials come from there
}

// session finds credentials, the most explicit source first: --data-dir, BERTH_ENDPOINT and its companions,
// BERTH_DATA_DIR, `berth login`, the default data folder.
func (c *cli) session() (*session, error) {
	s, err := c.findSession()
	if err != nil {
		return nil, err
	}
	id := c.subscription
	if id == "" && c.dataDir == "" { // a folder named on the command line overrides the environment
		id = os.Getenv("BERTH_SUBSCRIPTION_ID")
	}
	if id != "" {
		s.SubscriptionID = id
	}
	return s, nil
}

func (c *cli) findSession() (*session, error) {
	if c.dataDir != "" {
		return sessionIn(c.dataDir)
	}
	if cr, found := client.CredentialsFromEnv(os.Getenv); found {
		return &session{Credentials: cr}, nil
	}
	if dir := os.Getenv("BERTH_DATA_DIR"); dir != "" {
		return sessionIn(dir)
	}
	if file, err := loginFile(); err == nil {
		cr, err := client.ReadCredentials(file)
		if !errors.Is(err, fs.ErrNotExist) {
			return &session{Credentials: cr}, err
		}
	}
	return sessionIn(app.DefaultConfig().DataDir)
}

func sessionIn(dir string) (*session, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	cr, err := client.CredentialsIn(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there are no credentials in %s. Start Berth there with `berth serve`, name its data "+
			"folder with --data-dir, or log in with `berth login`", dir)
	}
	return &session{Credentials: cr, dataDir: dir}, err
}

func loginFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "login.json"), err
}

// connect makes the client that commands use.
func (c *cli) connect() (*client.Client, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	return c.clientFor(s.Credentials)
}

func (c *cli) clientFor(cr client.Credentials) (*client.Client, error) {
	if cr.SubscriptionID == "" {
		return nil, errors.New("the credentials name no subscription; name one with --subscription or BERTH_SUBSCRIPTION_ID")
	}
	o := client.Options{
		Credentials: cr, UserAgent: "berth/" + version, Language: c.language, TokenFile: tokenFile(cr.ClientID),
		Warn: func(text string) { c.warn("%s", text) },
	}
	if c.debug {
		o.Trace = c.err
	}
	return client.New(o)
}

// tokenFile is where a client's token is kept between commands; empty, for nowhere, without a settings folder.
func tokenFile(clientID string) string {
	dir, err := configDir()
	if err != nil {
		return ""
	}
	safe := func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}
	return filepath.Join(dir, "token-"+strings.Map(safe, clientID)+".json")
}
