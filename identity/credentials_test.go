package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCredentialsAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "credentials.json")
	first, made, err := LoadOrMakeCredentials(dir, Place{Endpoint: testBase, CAFile: "/ca.pem"})
	if err != nil || !made || first.Keep(dir) != nil || mode(t, path) != 0o600 {
		t.Fatal(made, err, mode(t, path))
	}
	if first.CloudName != "Berth" || len(first.ClientSecret) != 43 || first.TenantID == first.ClientID {
		t.Error("wrong content")
	}
	stat, _ := os.Stat(path)
	same, made, err := LoadOrMakeCredentials(dir, Place{Endpoint: testBase, CAFile: "/ca.pem"})
	if after, _ := os.Stat(path); err != nil || same.Keep(dir) != nil || made || same != first || !os.SameFile(stat, after) {
		t.Error("changed for nothing", err)
	}
	moved, made, err := LoadOrMakeCredentials(dir, Place{Endpoint: "https://new", CAFile: "/new.pem", CloudName: PublicCloudName})
	want := first
	want.Endpoint, want.CAFile = "https://new", "/new.pem"
	want.CloudName = "AzureCloud"
	if err != nil || made || moved != want || moved.Keep(dir) != nil {
		t.Errorf("moved: %v %v %v", moved, made, err)
	}
	var onDisk Credentials
	data, _ := os.ReadFile(path)
	if json.Unmarshal(data, &onDisk) != nil || onDisk != want || mode(t, path) != 0o600 {
		t.Errorf("on disk: %v", onDisk)
	}
	if a := first.Application(); a.ID != first.ClientID || a.ObjectID != moved.Application().ObjectID || a.ObjectID == a.RegistrationID {
		t.Errorf("%+v", a)
	}
}

// After a lost secret, the operator removes clientId and clientSecret from the file, and keeps tenant and subscription.
func TestCredentialsAreMadeAnew(t *testing.T) {
	for name, lines := range map[string]string{"absent": "", "empty": `"clientId": "", "clientSecret": "", `} {
		dir := t.TempDir()
		old := newCredentials()
		put("credentials.json", "{"+lines+`"tenantId": "`+old.TenantID+`", "subscriptionId": "`+old.SubscriptionID+`"}`)(t, dir)
		got, made, err := LoadOrMakeCredentials(dir, Place{Endpoint: testBase})
		if err != nil || !made || got.TenantID != old.TenantID || got.SubscriptionID != old.SubscriptionID || got.check() != nil {
			t.Errorf("%s: %v %v %v", name, got, made, err)
		}
	}
}

func TestCredentialsRefused(t *testing.T) {
	good := newCredentials()
	with := func(change func(*Credentials)) string {
		c := good
		change(&c)
		data, _ := json.Marshal(c)
		return string(data)
	}
	for _, c := range []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"open to the group", with(func(*Credentials) {}), 0o640, "chmod 600"},
		{"open to all", with(func(*Credentials) {}), 0o604, "chmod 600"},
		{"empty", "", 0o600, "is damaged"},
		{"cut", with(func(*Credentials) {})[:80], 0o600, "is damaged"},
		{"more after it", with(func(*Credentials) {}) + "x", 0o600, "is damaged"},
		{"no tenant", with(func(c *Credentials) { c.TenantID = "" }), 0o600, "tenantId is not a GUID"},
		{"bad client", with(func(c *Credentials) { c.ClientID = "admin" }), 0o600, "clientId is not a GUID"},
		{"weak secret", with(func(c *Credentials) { c.ClientSecret = "hunter2" }), 0o600, "clientSecret has fewer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "credentials.json")
			put("credentials.json", c.content)(t, dir)
			os.Chmod(path, c.mode)
			got, made, err := LoadOrMakeCredentials(dir, Place{Endpoint: testBase})
			if err == nil || made || got != (Credentials{}) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("%v %v", made, err)
			}
			if strings.Contains(err.Error(), good.ClientSecret) || strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the secret")
			}
			if now, _ := os.ReadFile(path); string(now) != c.content {
				t.Error("the file was changed")
			}
		})
	}
}

func TestCredentialsDoNotShowTheSecret(t *testing.T) {
	c := newCredentials()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "p", &c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "p", &c)
	nested := struct{ C Credentials }{c}
	text := log.String() + fmt.Sprint(c, &c) + fmt.Sprintf("%v %+v %#v %s %q %v %#v %+v", c, c, c, c, c, nested, nested, &c)
	if strings.Contains(text, c.ClientSecret) || !strings.Contains(text, c.ClientID) {
		t.Error(text)
	}
}
