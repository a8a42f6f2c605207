package identity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// CloudName is what clients call this cloud. "AzureCloud" would not do: azureml-core overwrites its login endpoint.
const CloudName = "Berth"

// minSecret is the fewest characters a secret in the file may have: only random secrets are safe under HashSecret.
const minSecret = 32

// Credentials is all that a client needs to talk to this server. It prints and logs without its secret; JSON, being the
// file, has it.
type Credentials struct {
	Endpoint       string `json:"endpoint"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	CAFile         string `json:"caFile"`
	CloudName      string `json:"cloudName"`
}

// LoadOrMakeCredentials reads dir/credentials.json, and makes it at the first start. Ids and secret stay what they are;
// endpoint and caFile follow the arguments.
func LoadOrMakeCredentials(dir, endpoint, caFile string) (c Credentials, made bool, err error) {
	path := filepath.Join(dir, "credentials.json")
	data, err := readFile(path, modeSecret)
	if errors.Is(err, fs.ErrNotExist) {
		c = newCredentials(endpoint, caFile)
		return c, true, c.write(path)
	}
	if err != nil {
		return Credentials{}, false, err
	}
	if err := c.parse(data); err != nil {
		return Credentials{}, false, fmt.Errorf("%s is damaged (%w): restore it from a backup, or remove it to have new ids and a new secret made, which every client must then be given", path, err)
	}
	if c.Endpoint == endpoint && c.CAFile == caFile && c.CloudName == CloudName {
		return c, false, nil
	}
	c.Endpoint, c.CAFile, c.CloudName = endpoint, caFile, CloudName
	return c, false, c.write(path)
}

func newCredentials(endpoint, caFile string) Credentials {
	return Credentials{
		Endpoint:       endpoint,
		TenantID:       uuid.NewString(),
		SubscriptionID: uuid.NewString(),
		ClientID:       uuid.NewString(),
		ClientSecret:   NewSecret(),
		CAFile:         caFile,
		CloudName:      CloudName,
	}
}

func (c *Credentials) parse(data []byte) error {
	if err := json.Unmarshal(data, c); err != nil {
		return err
	}
	ids := []struct{ name, value string }{{"tenantId", c.TenantID}, {"subscriptionId", c.SubscriptionID}, {"clientId", c.ClientID}}
	for _, id := range ids {
		if len(id.value) != 36 || uuid.Validate(id.value) != nil {
			return fmt.Errorf("%s is not a GUID", id.name)
		}
	}
	if len(c.ClientSecret) < minSecret {
		return fmt.Errorf("clientSecret has fewer than %d characters", minSecret)
	}
	return nil
}

func (c Credentials) write(path string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(path, append(data, '\n'), modeSecret); err != nil {
		return fmt.Errorf("keep the credentials: %w", err)
	}
	return nil
}

// Client is the client that these credentials belong to. Its object id follows from tenant and client, so that it is the
// same at every start.
func (c Credentials) Client() Client {
	object := uuid.NewSHA1(uuid.MustParse(c.TenantID), []byte("servicePrincipal:"+strings.ToLower(c.ClientID)))
	return Client{ID: strings.ToLower(c.ClientID), Name: "berth-admin", SecretHash: HashSecret(c.ClientSecret), ObjectID: object.String()}
}

// NewSecret makes a client secret of 256 random bits, in characters that need no escaping in forms, headers or shells.
func NewSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the program rather than give bad randomness
	return base64.RawURLEncoding.EncodeToString(b)
}

// String implements fmt.Stringer, without the secret.
func (c Credentials) String() string {
	return fmt.Sprintf("credentials of client %s in tenant %s at %s (secret redacted)", c.ClientID, c.TenantID, c.Endpoint)
}

// GoString implements fmt.GoStringer, without the secret.
func (c Credentials) GoString() string { return "identity.Credentials{" + c.String() + "}" }

// LogValue implements slog.LogValuer, without the secret.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("endpoint", c.Endpoint), slog.String("tenantId", c.TenantID), slog.String("subscriptionId", c.SubscriptionID),
		slog.String("clientId", c.ClientID), slog.String("caFile", c.CAFile), slog.String("cloudName", c.CloudName))
}
