package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// kubelogin are the options of Azure's program of this name that kubeconfigs have, by which they mean the same here.
type kubelogin struct {
	login, server, client, tenant, authority, environment string
	noEnvironment, noDiscovery                            bool
}

// Ways to sign in.
const (
	byAzureCLI  = "azurecli"
	byDevice    = "devicecode"
	byPrincipal = "spn"
)

func (c *cli) kubeloginCommand() *cobra.Command {
	k := &kubelogin{}
	get := command("get-token", "Print a token for a cluster, as kubectl asks for it", func(ctx context.Context) error {
		return c.getToken(ctx, k)
	})
	get.Long = "Print a token for a cluster, as kubectl asks for it (client.authentication.k8s.io). It has the options of Azure's\n" +
		"kubelogin that kubeconfigs of clusters have. Ways to sign in (--login, or AAD_LOGIN_METHOD):\n" +
		"  azurecli    the credentials of `berth login`, of BERTH_ENDPOINT and its companions, or of the data folder\n" +
		"  devicecode  a person, by a code that is entered in a browser; the sign-in is kept in the settings folder\n" +
		"  spn         an application, by AAD_SERVICE_PRINCIPAL_CLIENT_ID and AAD_SERVICE_PRINCIPAL_CLIENT_SECRET\n" +
		"              (or AZURE_CLIENT_ID and AZURE_CLIENT_SECRET)"
	f := get.Flags()
	f.StringVarP(&k.login, "login", "l", byDevice, "way to sign in: azurecli, devicecode or spn")
	f.StringVar(&k.server, "server-id", berth.KubernetesApplication, "application that the token is for")
	f.StringVar(&k.client, "client-id", "", "application that signs in (spn), or the program that asks (devicecode)")
	f.StringVarP(&k.tenant, "tenant-id", "t", "", "tenant (default: that of the credentials)")
	f.StringVar(&k.authority, "authority-host", "", "https address of the Berth (default: that of the credentials)")
	f.BoolVar(&k.noEnvironment, "disable-environment-override", false, "do not read environment variables")
	f.BoolVar(&k.noDiscovery, "disable-instance-discovery", false, "accepted, and always so")
	f.StringVarP(&k.environment, "environment", "e", "", "accepted, and not needed")
	w := &where{}
	return family("kubelogin", "Sign in to clusters, as Azure's kubelogin does", w.on(c, get))
}

// env is an environment variable of kubelogin: the first one that is set.
func (k *kubelogin) env(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" && !k.noEnvironment {
			return v
		}
	}
	return ""
}

func (c *cli) getToken(ctx context.Context, k *kubelogin) error {
	token, expires, err := c.tokenBy(ctx, k)
	if err != nil {
		return err
	}
	return json.NewEncoder(c.out).Encode(client.Object{"apiVersion": execVersion(os.Getenv("KUBERNETES_EXEC_INFO")), "kind": "ExecCredential",
		"status": client.Object{"token": token, "expirationTimestamp": expires.UTC().Format(time.RFC3339)}})
}

// execVersion is the version in which kubectl wants the answer.
func execVersion(info string) string {
	var asked struct {
		APIVersion string `json:"apiVersion"`
	}
	if json.Unmarshal([]byte(info), &asked) != nil || !strings.HasPrefix(asked.APIVersion, "client.authentication.k8s.io/") {
		return "client.authentication.k8s.io/v1beta1"
	}
	return asked.APIVersion
}

// tokenBy signs in the way that is asked for.
func (c *cli) tokenBy(ctx context.Context, k *kubelogin) (string, time.Time, error) {
	none := time.Time{}
	way := cmp.Or(k.env("AAD_LOGIN_METHOD"), k.login)
	own, err := c.session() // of which the other ways need the authority, when they name none
	switch way {
	case byAzureCLI:
		if err != nil {
			return "", none, err
		}
		return c.tokenOf(ctx, own.Credentials, k.server)
	case byPrincipal, byDevice:
	default:
		return "", none, usage("berth kubelogin signs in by %s, %s and %s, and not by '%s'; use Azure's kubelogin for that", byAzureCLI, byDevice,
			byPrincipal, way)
	}
	cr := client.Credentials{Endpoint: strings.TrimRight(k.authority, "/"), TenantID: k.tenant, CAFile: os.Getenv("BERTH_CA_FILE")}
	if err == nil && (cr.Endpoint == "" || cr.Endpoint == strings.TrimRight(own.Endpoint, "/")) {
		cr.Endpoint, cr.TenantID = own.Endpoint, cmp.Or(cr.TenantID, own.TenantID)
		cr.CAFile = own.CAFile
	}
	if cr.Endpoint == "" || cr.TenantID == "" {
		return "", none, usage("name the Berth at which to sign in: --authority-host and --tenant-id")
	}
	if way == byDevice {
		return c.tokenByDevice(ctx, cr, k)
	}
	cr.ClientID = cmp.Or(k.env("AZURE_CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_ID"), k.client)
	cr.ClientSecret = k.env("AZURE_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET")
	return c.tokenOf(ctx, cr, k.server)
}

// tokenOf is a token of an application. It needs no subscription, which clients of other commands do.
func (c *cli) tokenOf(ctx context.Context, cr client.Credentials, server string) (string, time.Time, error) {
	cr.SubscriptionID = cmp.Or(cr.SubscriptionID, "none")
	cl, err := c.clientFor(cr)
	if err != nil {
		return "", time.Time{}, err
	}
	return cl.TokenFor(ctx, server)
}

func (c *cli) tokenByDevice(ctx context.Context, cr client.Credentials, k *kubelogin) (string, time.Time, error) {
	dir, err := configDir()
	if err != nil {
		return "", time.Time{}, err
	}
	h, err := client.HTTPClient(cr.CAFile)
	if err != nil {
		return "", time.Time{}, err
	}
	program := cmp.Or(k.client, "80faf920-1908-4b52-b5ef-a8e7bedfc67a") // kubelogin, in Azure and here
	sum := sha256.Sum256([]byte(strings.Join([]string{cr.Endpoint, cr.TenantID, program, k.server}, "\n")))
	d := client.DeviceSignIn{HTTP: h, Authority: cr.Endpoint, Tenant: cr.TenantID, Program: program, Application: k.server,
		File: filepath.Join(dir, "person-"+hex.EncodeToString(sum[:8])+".json"), Show: func(text string) { c.note("%s", text) }}
	return d.Token(ctx)
}

// byBerth makes a kubeconfig that signs in by kubelogin do it by this program, which is there. Others stay as they are.
func (c *cli) byBerth(config []byte) ([]byte, error) {
	var in client.Object
	if err := yaml.Unmarshal(config, &in); err != nil {
		return nil, fmt.Errorf("the server's kubeconfig cannot be read: %w", err)
	}
	users, _ := in["users"].([]any)
	for _, u := range objects(users) {
		plugin, _ := at(u, "user", "exec").(client.Object)
		if plugin["command"] != "kubelogin" {
			continue
		}
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		own := []any{"kubelogin"}
		if c.dataDir != "" {
			dir, err := filepath.Abs(c.dataDir)
			if err != nil {
				return nil, err
			}
			own = append(own, "--data-dir", dir)
		}
		args, _ := plugin["args"].([]any)
		plugin["command"], plugin["args"] = self, append(own, args...)
		delete(plugin, "installHint")
	}
	return yaml.Marshal(in)
}
