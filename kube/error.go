package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"berth.dev/berth"
)

// Unreachable reports whether a cluster gave no answer of its own: the network, TLS or a timeout, not a refusal. 502 to 504 are
// what a load balancer answers for a cluster that does not.
func Unreachable(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, errRedirect), isNonsense(err):
		return false
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		switch status.Status().Code {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*brokenOff](err); ok {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// Invalid reports whether the cluster does not take an object as it is, and returns what it says.
func Invalid(err error) (why string, is bool) {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		return "", false
	}
	return status.Status().Message, true
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Denied reports whether the cluster refused the credential (401), or the credential lacks the right (403).
func Denied(err error) bool { return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) }

// Unauthorized reports whether the cluster does not know the credential (401).
func Unauthorized(err error) bool { return apierrors.IsUnauthorized(err) }

// Untrusted reports whether another server answers than the one that was connected: its certificate is of another authority, or for
// another name.
func Untrusted(err error) bool {
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return authority || name
}

func isNonsense(err error) bool {
	_, is := errors.AsType[*notKubernetes](err)
	return is
}

// Nonsense reports whether the answer is not one of Kubernetes, or larger than any of its own. Another try does not help.
func Nonsense(err error) bool {
	if _, ours := errors.AsType[*berth.Error](err); ours || err == nil || Unreachable(err) || errors.Is(err, context.Canceled) ||
		errors.Is(err, ErrNamespaceEnding) || errors.Is(err, ErrCounting) {
		return false
	}
	status := apierrors.APIStatus(nil)
	return !errors.As(err, &status) || isNonsense(err) || errors.Is(err, errRedirect)
}

// Expired reports whether the cluster's certificate has expired.
func Expired(err error) bool {
	e, is := errors.AsType[x509.CertificateInvalidError](err)
	return is && e.Reason == x509.Expired
}

// NotServed reports whether the cluster does not know what was asked for (404).
func NotServed(err error) bool { return apierrors.IsNotFound(err) }
