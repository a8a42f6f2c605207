package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CloudName is the name under which every client knows Berth's cloud. A server can have another one besides.
const CloudName = "Berth"

// Credentials is what is needed to talk to a Berth. It prints without its secret; JSON, being the file, has it.
type Credentials struct {
	Endpoint       string `json:"endpoint"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	CAFile         string `json:"caFile,omitempty"`
	CloudName      string `json:"cloudName,omitempty"`
}

// ReadCredentials reads a credentials file: the one in Berth's data folder, or the one that `berth login` stored.
func ReadCredentials(file string) (Credentials, error) {
	var c Credentials
	data, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("the credentials in %s cannot be read: %w", file, err)
	}
	return c, nil
}

// CredentialsIn reads the credentials of a server's data folder.
func CredentialsIn(dataDir string) (Credentials, error) {
	c, err := ReadCredentials(filepath.Join(dataDir, "credentials.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("there are no credentials in %s: "+
			"start Berth once with `berth serve`, or name its data folder with --data-dir: %w", dataDir, err)
	}
	return c, err
}

// CredentialsFromEnv reads BERTH_ENDPOINT and its companions. Without BERTH_ENDPOINT nothing is found.
func CredentialsFromEnv(getenv func(string) string) (c Credentials, found bool) {
	c = Credentials{
		Endpoint: getenv("BERTH_ENDPOINT"), TenantID: getenv("BERTH_TENANT_ID"), SubscriptionID: getenv("BERTH_SUBSCRIPTION_ID"),
		ClientID: getenv("BERTH_CLIENT_ID"), ClientSecret: getenv("BERTH_CLIENT_SECRET"), CAFile: getenv("BERTH_CA_FILE"),
		CloudName: cmp.Or(getenv("BERTH_CLOUD_NAME"), CloudName),
	}
	return c, c.Endpoint != ""
}

// Write keeps the credentials in a file that only the user can read.
func (c Credentials) Write(file string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeSecret(file, append(data, '\n'))
}

// writeSecret replaces a file in one step, readable by the user only.
func writeSecret(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-*") // 0600 from the beginning
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one that counts
	}
	return err
}

func (c Credentials) check() error {
	var missing []string
	for _, f := range []struct{ name, value string }{
		{"endpoint", c.Endpoint}, {"tenant id", c.TenantID}, {"client id", c.ClientID}, {"client secret", c.ClientSecret},
	} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the credentials have no %s", strings.Join(missing, ", no "))
	}
	return nil
}

// String implements fmt.Stringer, without the secret.
func (c Credentials) String() string {
	return fmt.Sprintf("client %s in tenant %s at %s (secret redacted)", c.ClientID, c.TenantID, c.Endpoint)
}

// GoString implements fmt.GoStringer, without the secret.
func (c Credentials) GoString() string { return "client.Credentials{" + c.String() + "}" }
