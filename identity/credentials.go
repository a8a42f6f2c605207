package identity

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/disk"
)

const (
	// CloudName is the name of this cloud in clients.
	CloudName = "Berth"
	// PublicCloudName is the name that an operator can choose instead. az allows some commands only in a cloud of this name. A client
	// that learns this name from the metadata replaces the login endpoint by Microsoft's; `berth env` puts it right for az.
	PublicCloudName = "AzureCloud"
)

// minSecret is the fewest characters a secret in the file may have.
const minSecret = 32

// Credentials is all that a client needs to connect to this server. It prints and logs without its secret; only the JSON, which
// is the file, contains it.
type Credentials struct {
	Endpoint       string `json:"endpoint"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	CAFile         string `json:"caFile"`
	CloudName      string `json:"cloudName"`
}

// Place is what the credentials say about the server, which can be another at each start.
type Place struct {
	Endpoint, CAFile string
	CloudName        string // CloudName when empty
}

// LoadOrMakeCredentials reads dir/credentials.json. Ids and secret stay as they are; the rest is that of at. At the first start it
// creates new ones, and isNew is true: add them to the directory (Directory.Seed) before Keep writes the file, so that a kill in
// between leaves no credentials that the server does not accept. A file without clientId and clientSecret gets a new client: so an
// operator recovers from a lost secret.
func LoadOrMakeCredentials(dir string, at Place) (c Credentials, isNew bool, err error) {
	path := credentialsFile(dir)
	data, err := disk.Read(path, disk.Secret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c, isNew = newCredentials(), true
	case err != nil:
		return c, false, err
	default:
		err := json.Unmarshal(data, &c)
		if c.ClientID == "" && c.ClientSecret == "" {
			c.ClientID, c.ClientSecret = uuid.NewString(), NewSecret()
			isNew = true
		}
		if err := cmp.Or(err, c.check()); err != nil {
			return Credentials{}, false, fmt.Errorf("%s is damaged (%w): restore it from a backup, or remove it to create new ids and a new "+
				"secret, which every client then needs", path, err)
		}
	}
	c.Endpoint, c.CAFile = at.Endpoint, at.CAFile
	c.CloudName = cmp.Or(at.CloudName, CloudName)
	return c, isNew, nil
}

// Keep writes the credentials to dir/credentials.json, unless the file contains them already.
func (c Credentials) Keep(dir string) error {
	path := credentialsFile(dir)
	var there Credentials
	if data, err := disk.Read(path, disk.Secret); err == nil && json.Unmarshal(data, &there) == nil && there == c {
		return nil
	}
	return c.write(path)
}

func credentialsFile(dir string) string { return filepath.Join(dir, "credentials.json") }

func newCredentials() Credentials {
	return Credentials{
		TenantID:       uuid.NewString(),
		SubscriptionID: uuid.NewString(),
		ClientID:       uuid.NewString(),
		ClientSecret:   NewSecret(),
	}
}

func (c Credentials) check() error {
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
	if err := disk.Write(path, append(data, '\n'), disk.Secret); err != nil {
		return fmt.Errorf("write the credentials: %w", err)
	}
	return nil
}

// Application is the application that these credentials belong to, without a credential. Its object ids are derived from tenant
// and client, so that they are the same each time.
func (c Credentials) Application() berth.Application {
	tenant, id := uuid.MustParse(c.TenantID), strings.ToLower(c.ClientID)
	return berth.Application{
		ID: id, Name: "berth-admin",
		ObjectID:       uuid.NewSHA1(tenant, []byte("servicePrincipal:"+id)).String(),
		RegistrationID: uuid.NewSHA1(tenant, []byte("application:"+id)).String(),
	}
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
