package azure

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"berth.dev/berth/blob"
)

// fault is an error as the protocol has it.
type fault struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
	Detail  string `xml:"AuthenticationErrorDetail,omitempty"`
	status  int
}

func (f *fault) Error() string { return f.Code + ": " + f.Message }

func (c *call) refuse(f *fault) {
	h := c.w.Header()
	// What describes the blob does not describe the error.
	for _, name := range []string{"Content-MD5", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control"} {
		h.Del(name)
	}
	h.Set("x-ms-error-code", f.Code)
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if c.r.Method == http.MethodHead || f.status == http.StatusNotModified {
		c.w.WriteHeader(f.status)
		return
	}
	// The libraries print the message; the id in it is what is in the log.
	told := *f
	told.Message = fmt.Sprintf("%s\nRequestId:%s\nTime:%s", f.Message, c.id, c.now().UTC().Format(time.RFC3339Nano))
	if err := c.answer(f.status, &told); err != nil {
		c.log().Error("an error could not be written", "id", c.id, "err", err)
	}
}

// faultOf gives errors of the store and of the connection their names in the protocol.
func faultOf(err error) error {
	var large *http.MaxBytesError
	var full *blob.FullError
	switch {
	case errors.As(err, &full): // a code of 500 and above would be tried again by the libraries
		return &fault{status: http.StatusRequestEntityTooLarge, Code: "InsufficientStorage", Message: sentence(full)}
	case errors.Is(err, blob.ErrNoContainer):
		return &fault{status: http.StatusNotFound, Code: "ContainerNotFound", Message: "The specified container does not exist."}
	case errors.Is(err, blob.ErrNotFound):
		return &fault{status: http.StatusNotFound, Code: "BlobNotFound", Message: "The specified blob does not exist."}
	case errors.Is(err, blob.ErrName):
		return &fault{status: http.StatusBadRequest, Code: "InvalidResourceName", Message: sentence(err)}
	case errors.Is(err, blob.ErrMD5):
		return &fault{status: http.StatusBadRequest, Code: "Md5Mismatch",
			Message: "The MD5 value specified in the request did not match with the MD5 value calculated by the server: send it again."}
	case errors.Is(err, blob.ErrNoBlock):
		return &fault{status: http.StatusBadRequest, Code: "InvalidBlockList",
			Message: "The specified block list is invalid: a block in it was not uploaded. Upload the blocks again."}
	case errors.Is(err, blob.ErrMarker):
		return invalidQuery("marker", sentence(err))
	case errors.As(err, &large):
		return &fault{status: http.StatusRequestEntityTooLarge, Code: "RequestBodyTooLarge",
			Message: fmt.Sprintf("The request body is too large: at most %d bytes.", large.Limit)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault{status: http.StatusRequestTimeout, Code: "OperationTimedOut",
			Message: "The request body did not arrive: nothing came for too long. Send it again."}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{status: http.StatusBadRequest, Code: "IncompleteBody", Message: "The request body ended early: send it again."}
	}
	return err
}

func sentence(err error) string {
	text := []rune(err.Error())
	return string(append([]rune{text[0] - 'a' + 'A'}, text[1:]...)) + "."
}

func invalidHeader(name, why string) *fault {
	return &fault{status: http.StatusBadRequest, Code: "InvalidHeaderValue",
		Message: fmt.Sprintf("The value of the header %s is invalid: %s", name, why)}
}

func invalidQuery(name, why string) *fault {
	return &fault{status: http.StatusBadRequest, Code: "InvalidQueryParameterValue",
		Message: fmt.Sprintf("The value of the query parameter %s is invalid: %s", name, why)}
}
