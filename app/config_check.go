package app

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/identity"
	"berth.dev/berth/images"
)

func (c *Config) check() error {
	if c.DataDir == "" {
		return fmt.Errorf("--data-dir must not be empty")
	}
	if err := c.checkDatabase(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("--listen %q is not host:port: %w", c.Listen, err)
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("--public-url %q is not valid: use https://host[:port] without a path (Azure clients "+
				"refuse anything but https)", c.PublicURL)
		}
		c.PublicURL = "https://" + u.Host
	}
	if c.OTLPEndpoint != "" {
		u, err := url.Parse(c.OTLPEndpoint)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return fmt.Errorf("--otlp-endpoint must be an http or https address without a password, such as http://collector.example:4318; " +
				"put what signs in into OTEL_EXPORTER_OTLP_HEADERS")
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") || c.TLSCA != "" && c.TLSCert == "" {
		return fmt.Errorf("--tls-cert and --tls-key need each other, and --tls-ca needs both")
	}
	if c.DebugListen != "off" && c.DebugListen != "" {
		host, _, err := net.SplitHostPort(c.DebugListen)
		if err != nil || !isLoopback(host) {
			return fmt.Errorf("--debug-listen %q must be a loopback address such as 127.0.0.1:8444, or 'off', because it shows "+
				"the inside of the process", c.DebugListen)
		}
	}
	if err := c.checkWords(); err != nil {
		return err
	}
	return c.checkValues()
}

// checkValues checks what is more than a word.
func (c *Config) checkValues() error {
	if _, err := c.filesMax(0); err != nil {
		return err
	}
	if c.ImageRegistry != "" {
		if err := images.JudgeRegistry(c.ImageRegistry); err != nil {
			return fmt.Errorf("--image-registry: %w", err)
		}
	}
	if c.PullConfig != "" {
		if _, err := readPullConfig(c.PullConfig); err != nil {
			return err
		}
	}
	if _, err := c.registryMirrors(); err != nil {
		return err
	}
	if _, err := c.controlPlane(); err != nil {
		return err
	}
	if _, err := c.clusterRanges(); err != nil {
		return err
	}
	if d, err := time.ParseDuration(c.HealthEvery); err != nil || d < time.Second {
		return fmt.Errorf("--health-interval %q is not a time of at least a second, such as 30s or 2m", c.HealthEvery)
	}
	if n, err := strconv.Atoi(c.ActivityDays); err != nil || n < 1 || n > maxActivityDays {
		return fmt.Errorf("--activity-days %q is not a number of days from 1 to %d", c.ActivityDays, maxActivityDays)
	}
	_, err := c.level()
	return err
}

// checkWords checks the settings that are one of a few words.
func (c *Config) checkWords() error {
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("--log-format must be text or json, not %q", c.LogFormat)
	}
	if !slices.Contains([]string{nodesAuto, berth.NodesReal, berth.NodesSimulated}, c.Nodes) {
		return fmt.Errorf("--nodes must be auto, real or simulated, not %q", c.Nodes)
	}
	if c.Egress != egressAny && c.Egress != egressNone {
		return fmt.Errorf("--egress must be any or none, not %q", c.Egress)
	}
	if c.Python != pythonNearest && c.Python != pythonExact {
		return fmt.Errorf("--python must be nearest or exact, not %q", c.Python)
	}
	if c.CloudName != identity.CloudName && c.CloudName != identity.PublicCloudName {
		return fmt.Errorf("--cloud-name must be %s or %s, not %q", identity.CloudName, identity.PublicCloudName, c.CloudName)
	}
	return nil
}

const maxActivityDays = 3650

func (c *Config) keepActivity() time.Duration {
	n, _ := strconv.Atoi(c.ActivityDays) // checked
	return time.Duration(n) * 24 * time.Hour
}

func (c *Config) healthInterval() time.Duration {
	d, _ := time.ParseDuration(c.HealthEvery) // checked
	return d
}

// noRange permits no loopback and no link-local range, also where the default would.
const noRange = "none"

func (c *Config) clusterRanges() (out []netip.Prefix, err error) {
	for _, text := range c.ClusterRanges {
		if text == noRange {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--cluster-range %q is neither a range such as 127.0.0.0/8 nor 'none'", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// controlPlane reads the ranges that this server comes from, by location.
func (c *Config) controlPlane() (map[string][]netip.Prefix, error) {
	out := map[string][]netip.Prefix{}
	for _, text := range c.ControlPlane {
		where, cidr, _ := strings.Cut(text, "=")
		location, known := catalog.CanonicalLocation(where)
		p, err := netip.ParsePrefix(cidr)
		if !known || err != nil {
			return nil, fmt.Errorf("--control-plane-range %q is not location=range, such as westeurope=203.0.113.0/28", text)
		}
		out[location] = append(out[location], p.Masked())
	}
	return out, nil
}

func (c *Config) registryMirrors() (all []images.Mirror, err error) {
	for _, text := range c.RegistryMirrors {
		m, err := images.ParseMirror(text)
		if err != nil {
			return nil, fmt.Errorf("--registry-mirror: %w", err)
		}
		all = append(all, m)
	}
	return all, nil
}

func (c *Config) level() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return level, fmt.Errorf("--log-level must be debug, info, warn or error, not %q", c.LogLevel)
	}
	return level, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// endpoint is the address that clients use.
func (c *Config) endpoint(listening net.Addr) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	host, _, _ := net.SplitHostPort(c.Listen) // checked
	_, port, _ := net.SplitHostPort(listening.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, port)
}

// names are the hosts in the certificate.
func (c *Config) names() []string {
	out := []string{"localhost", "127.0.0.1", "::1", berth.FilesHost}
	if host, _, _ := net.SplitHostPort(c.Listen); host != "" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			out = append(out, host)
		}
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		out = append(out, u.Hostname())
	}
	return append(out, c.Hosts...)
}
