package models

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// patience is how long the answer about an operation that is under way may wait for its end. The SDK asks at once, then every five
// seconds, and gives an answer 80 s: what ends soon is told at once.
const patience = 20 * time.Second

// firstPatience is that of the first question, whose answer has no log: a user should not wait longer for the first sign of life.
const firstPatience = 8 * time.Second

// states are those of an operation for the SDK.
var states = map[berth.State]string{berth.StateSucceeded: "Succeeded", berth.StateFailed: "Failed", berth.StateCanceled: "Cancelled"}

// getOperation answers an operation, when it has ended or has something new to say.
func (s *Server) getOperation(q *Request) (*Answer, error) {
	op, err := s.Store.Operation(q.Context, q.words[0])
	if errors.Is(err, store.ErrNotFound) || err == nil && !below(op.ResourceID, q.workspace.ID) {
		return nil, berth.Errorf(berth.CodeOperationNotFound, "There is no operation with the id '%s'.", q.words[0])
	}
	if err != nil {
		return nil, err
	}
	changed := make(chan struct{}, 1)
	defer s.Store.Subscribe(func(e store.Event) {
		if e.Key != op.ResourceID.Key() {
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	offset, _ := strconv.Atoi(q.Query.Get("offset")) // 0 when the client has read nothing
	offset = max(offset, 0)
	deadline := s.Clock.After(patience)
	if q.Query.Get("offset") == "" {
		deadline = s.Clock.After(firstPatience)
	}
	for {
		now, err := s.Store.Operation(q.Context, op.ID)
		if err != nil {
			return nil, err
		}
		if log := streamed(now); now.State.Terminal() || q.Query.Get("offset") != "" && len(log) > offset {
			return ok(s.operationAnswer(now, log[min(offset, len(log)):])), nil
		}
		select {
		case <-changed:
		case <-deadline:
			return ok(s.operationAnswer(now, "")), nil
		case <-q.Context.Done():
			return nil, q.Context.Err()
		}
	}
}

// below reports whether a resource is in a workspace.
func below(id, workspace berth.ID) bool { return strings.HasPrefix(id.Key(), workspace.Key()+"/") }

// streamed are the steps of an operation as the SDK prints them while they come: "yyyymmddHHMMSS|text#".
func streamed(op *berth.Operation) string {
	var b strings.Builder
	for _, step := range op.Steps {
		text := strings.NewReplacer("|", "/", "#", "", "\n", " ").Replace(step.Message)
		b.WriteString(step.At.UTC().Format("20060102150405") + "|" + text + "#")
	}
	return b.String()
}

func (s *Server) operationAnswer(op *berth.Operation, log string) object {
	state, ended := states[op.State]
	if !ended {
		state = "Running"
	}
	out := object{"id": op.ID, "operationType": "Service", "state": state, "createdTime": clockTime(op.StartedAt), "error": nil,
		"resourceLocation": prefixes[0] + op.ResourceID.Parent().String() + "/services/" + op.ResourceID.Name(),
		"operationDetails": object{"subOperationType": "DeployService"}, "streamingOperationLog": log}
	if ended {
		out["endTime"] = clockTime(op.EndedAt)
	}
	if op.Err != nil {
		out["error"] = fault(op.Err)
	}
	return out
}

// fault is an error in the shape that the SDK prints.
func fault(e *berth.Error) object {
	details := []object{}
	for _, d := range e.Details {
		details = append(details, object{"code": d.Code, "message": d.Message})
	}
	return object{"code": e.Code, "statusCode": 400, "message": e.Message, "details": details}
}

// The SDK asks these before it deploys. It reads an error from the answer, and ignores everything else.

// validateName says that a name is taken, as the SDK asks before it uploads.
func (s *Server) validateName(q *Request) (*Answer, error) {
	_, err := s.served(q, q.words[0])
	if berth.ErrorCode(err) == berth.CodeNotFound {
		return ok(object{}), nil
	}
	if err != nil {
		return nil, err
	}
	e := taken(q.words[0])
	return ok(object{"error": object{"code": e.Code, "message": e.Message}}), nil
}

// taken refuses a name that a service has, also one that has failed: so does the original.
func taken(name string) *berth.Error {
	return berth.Errorf(berth.CodeConflict, "There is a service with the name '%s' already. Choose another name, delete it first, or deploy "+
		"with overwrite (overwrite=True in Python, --overwrite at the command line).", name)
}

// validateService judges a request as its POST will, and changes nothing.
func (s *Server) validateService(q *Request) (*Answer, error) {
	var in struct {
		Type   string `json:"type"`
		Name   string `json:"serviceName"`
		Create object `json:"createRequest"`
		// Update is a JSON Patch.
		Update json.RawMessage `json:"updateRequest"`
	}
	if err := decode(q.Body, &in); err != nil {
		return nil, err
	}
	if len(in.Update) > 0 && string(in.Update) != "null" {
		return s.judgedPatch(q, in.Name, in.Update)
	}
	return s.judged(q, in.Name, in.Create)
}

// judgedPatch judges a patch of an AksEndpoint as its PATCH will. What is wrong with one of a service is told by the PATCH itself.
func (s *Server) judgedPatch(q *Request, name string, body json.RawMessage) (*Answer, error) {
	r, err := s.served(q, name)
	if berth.ErrorCode(err) == berth.CodeNotFound || err == nil && !r.ID.Is(berth.TypeEndpoint) {
		return ok(object{}), nil
	}
	if err != nil {
		return nil, err
	}
	patch, err := readPatch(body, fixedFields)
	if err != nil {
		return nil, err
	}
	_, violations, err := s.patchedAks(q, patch, r)
	if err != nil {
		return nil, err
	}
	return told(violations), nil
}

// validateResources is asked with the request for the service itself.
func (s *Server) validateResources(q *Request) (*Answer, error) {
	request := object{}
	if err := decode(q.Body, &request); err != nil {
		return nil, err
	}
	name, _ := request["name"].(string)
	return s.judged(q, name, request)
}

func (s *Server) judged(q *Request, name string, request object) (*Answer, error) {
	if request == nil { // of an update or a removal
		return ok(object{}), nil
	}
	typ, plan := berth.TypeService, s.planService
	if kind, _ := request["computeType"].(string); strings.EqualFold(kind, aksEndpointType) {
		typ, plan = berth.TypeEndpoint, s.planAks
	}
	id, err := childID(q.workspace.ID, typ, name)
	if err != nil {
		return ok(object{}), nil // the POST says what is wrong
	}
	_, violations, err := plan(q, id, request, nil)
	if err != nil {
		return nil, err
	}
	return told(violations), nil
}

// told are violations as the SDK reads them before it deploys.
func told(violations []rules.Violation) *Answer {
	e := rules.AsError(violations)
	if e == nil {
		return ok(object{})
	}
	var all []string // the SDK shows the message only
	for _, d := range e.Details {
		all = append(all, d.Message)
	}
	return ok(object{"error": object{"code": e.Code, "message": strings.Join(all, " "), "details": e.Details}})
}
