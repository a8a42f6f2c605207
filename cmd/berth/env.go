package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

// variable is one environment variable.
type variable struct{ name, value string }

var shells = []string{"bash", "fish", "powershell", "json"}

func (c *cli) envCommand() *cobra.Command {
	shell := "bash"
	if runtime.GOOS == "windows" {
		shell = "powershell"
	}
	check, proxy := false, false
	cmd := command("env", "Print the environment in which Azure clients talk to this Berth", func(ctx context.Context) error {
		if check {
			return c.checkEnv(ctx)
		}
		return c.env(shell, proxy)
	})
	cmd.Long = "Print the environment in which Azure clients (az, azureml-core, the SDKs, Terraform) talk to this Berth.\n" +
		"The output contains the client secret: keep it private."
	cmd.Example = "  eval \"$(berth env)\"\n  berth env --shell fish | source\n  berth env --shell powershell | Out-String | Invoke-Expression"
	cmd.Flags().StringVar(&shell, "shell", shell, strings.Join(shells, ", "))
	cmd.Flags().BoolVar(&check, "check", false, "instead of printing, report what keeps a client in this shell from connecting")
	cmd.Flags().BoolVar(&proxy, "proxy", false, "also set HTTPS_PROXY to this Berth, so that models and services can be uploaded without a "+
		"hosts file: programs with this environment reach no other https address")
	cmd.Flags().Lookup("shell").DefValue = "bash; powershell on Windows"
	return cmd
}

func (c *cli) env(shell string, proxy bool) error {
	s, err := c.session()
	if err != nil {
		return err
	}
	vars, err := variables(s)
	if err != nil {
		return err
	}
	if proxy {
		address, err := proxyURL(s)
		if err != nil {
			return err
		}
		vars = append(vars, variable{"HTTPS_PROXY", address}, variable{"https_proxy", address})
	}
	text, err := export(shell, vars)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.out, text)
	return err
}

// variables are those that the clients read. Each line is there because a client needs it.
func variables(s *session) ([]variable, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, err
	}
	azure, err := azureConfigDir(s)
	if err != nil {
		return nil, err
	}
	vars := []variable{
		{"ARM_CLOUD_METADATA_URL", metadataURL(s)}, // az, azureml-core, azure-ai-ml
		{"AZUREML_CURRENT_CLOUD", client.CloudName}, {"AZURE_CONFIG_DIR", azure}, {"AZURE_CORE_INSTANCE_DISCOVERY", "false"},
		{"AZURE_AUTHORITY_HOST", s.Endpoint}, {"AZURE_TENANT_ID", s.TenantID}, {"AZURE_CLIENT_ID", s.ClientID},
		{"AZURE_CLIENT_SECRET", s.ClientSecret}, {"AZURE_SUBSCRIPTION_ID", s.SubscriptionID},
		{"ARM_METADATA_HOSTNAME", u.Host}, {"ARM_TENANT_ID", s.TenantID}, {"ARM_CLIENT_ID", s.ClientID}, // Terraform
		{"ARM_CLIENT_SECRET", s.ClientSecret}, {"ARM_SUBSCRIPTION_ID", s.SubscriptionID},
	}
	if s.CloudName != client.CloudName { // az; the server is known to azureml-core by its first name
		vars = append(vars, variable{"AZURE_CLOUD_NAME", s.CloudName})
	}
	if s.CAFile != "" { // OpenSSL and Go; Python's requests; Node, which adds it to what it knows
		bundle, err := caBundle(filepath.Dir(azure), s.CAFile)
		if err != nil {
			return nil, err
		}
		vars = append(vars, variable{"SSL_CERT_FILE", bundle}, variable{"REQUESTS_CA_BUNDLE", bundle}, variable{"NODE_EXTRA_CA_CERTS", s.CAFile})
	}
	if s.dataDir != "" {
		return append(vars, variable{"BERTH_DATA_DIR", s.dataDir}), nil
	}
	return append(vars, variable{"BERTH_ENDPOINT", s.Endpoint}, variable{"BERTH_TENANT_ID", s.TenantID},
		variable{"BERTH_SUBSCRIPTION_ID", s.SubscriptionID},
		variable{"BERTH_CLIENT_ID", s.ClientID}, variable{"BERTH_CLIENT_SECRET", s.ClientSecret}, variable{"BERTH_CA_FILE", s.CAFile},
		variable{"BERTH_CLOUD_NAME", s.CloudName}), nil
}

// proxyURL is the port of the server as a proxy: it leads to the server itself, also under the name at which files are.
func proxyURL(s *session) (string, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return "", err
	}
	return "http://" + hostPort(u), nil
}

// metadataURL is where az, azureml-core and azure-ai-ml learn everything else.
func metadataURL(s *session) string {
	return s.Endpoint + "/metadata/endpoints?api-version=2019-05-01"
}

// caBundle is a file with the system's authorities and Berth's. The variables that name it replace what clients trust: with
// Berth's alone, a script could reach nothing else any more.
func caBundle(dir, caFile string) (string, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return "", fmt.Errorf("the certificate of Berth's CA cannot be read: %w", err)
	}
	for _, file := range app.SystemRoots {
		if system, err := os.ReadFile(file); err == nil {
			text = append(append(text, '\n'), system...)
			break
		}
	}
	bundle := filepath.Join(dir, "ca-bundle.pem")
	if have, err := os.ReadFile(bundle); err == nil && bytes.Equal(have, text) {
		return bundle, nil
	}
	return bundle, replaceFile(bundle, text, 0o644)
}

// azureConfigDir keeps az's logins for this Berth apart from the user's others. az crashes unless the folder exists.
func azureConfigDir(s *session) (string, error) {
	dir := filepath.Join(s.dataDir, "azure")
	if s.dataDir == "" {
		settings, err := configDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(settings, "azure")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("the folder for az's settings cannot be made: %w", err)
	}
	return dir, correctAzCloud(dir, s)
}

// export writes the variables as a shell reads them.
func export(shell string, vars []variable) (string, error) {
	var b strings.Builder
	switch shell {
	case "json":
		all := map[string]string{}
		for _, v := range vars {
			all[v.name] = v.value
		}
		return toJSON(all)
	case "bash":
		for _, v := range vars {
			fmt.Fprintf(&b, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
		}
	case "fish":
		quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
		for _, v := range vars {
			fmt.Fprintf(&b, "set -gx %s '%s'\n", v.name, quote.Replace(v.value))
		}
	case "powershell":
		for _, v := range vars {
			fmt.Fprintf(&b, "$env:%s = '%s'\n", v.name, powershellQuotes.Replace(v.value))
		}
	default:
		return "", usage("--shell must be one of %s, not '%s'", strings.Join(shells, ", "), shell)
	}
	return b.String(), nil
}

// powershellQuotes doubles what PowerShell takes for a quotation mark: the typographic ones too.
var powershellQuotes = strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛")
