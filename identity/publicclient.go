package identity

import (
	"net"
	"net/url"
	"slices"
)

// StudioClient is the client id of the studio, and StudioRedirect the path to which people come back there.
const (
	StudioClient   = "9f2f6a3c-7d0e-4f0b-8f53-6f1f9a0b7c11"
	StudioRedirect = "/studio/signed-in"
)

// publicClients are the programs with which people sign in, by Azure's ids of them. They have no secret: what they prove is that they
// began the sign-in (PKCE), and that they run on the machine of the person (a loopback address).
var publicClients = map[string]string{
	"04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI", // also azure-identity and azureml-core
	"1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
	"aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
	"872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
	"80faf920-1908-4b52-b5ef-a8e7bedfc67a": "kubelogin",
	StudioClient:                           "Berth",
}

// mayReturn reports whether a code for a client may be sent to an address: any port of a loopback host, or the one page of the studio.
func (a *Authority) mayReturn(client, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	if client == StudioClient {
		return u.Path == StudioRedirect && u.RawQuery == "" && slices.Contains(a.hosts, audienceKey(u.Scheme+"://"+u.Host))
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
