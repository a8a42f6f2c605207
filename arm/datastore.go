package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/wire"
)

// A workspace has one datastore: its part of the store of files. It is not stored anywhere.

// datastorePart is the row of datastores.
func datastorePart() part {
	return part{name: "datastores", list: (*Server).listDatastores, permanent: true, methods: methods{
		http.MethodGet: (*Server).getDatastore, http.MethodPut: (*Server).refuseDatastore, http.MethodDelete: (*Server).refuseDatastore,
	}}
}

// datastoreSecretsRow is the row of the secrets of a datastore.
var datastoreSecretsRow = service{
	path: "subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}/datastores/{}/listSecrets",
	name: "datastores", method: http.MethodPost, right: berth.TypeWorkspace + "/datastores/listSecrets/action",
	serve: (*Server).datastoreSecrets,
}

func (s *Server) encodeDatastore(a models.Assets) wire.Object {
	ws := a.Workspace
	return wire.Object{"id": ws.ID.Child("datastores", models.Datastore).String(), "name": models.Datastore,
		"type": berth.TypeWorkspace + "/datastores", "properties": a.Datastore(), "systemData": wire.SystemData(ws)}
}

// listDatastores answers the one datastore; none when the query asks for those that are not the default.
func (s *Server) listDatastores(q *request, t target) (*response, error) {
	a, err := s.assets(q, t.id)
	if err != nil {
		return nil, err
	}
	value := []any{s.encodeDatastore(a)}
	if strings.EqualFold(q.param("isDefault"), "false") {
		value = []any{}
	}
	return ok(wire.Object{"value": value}), nil
}

func (s *Server) getDatastore(q *request, t target) (*response, error) {
	a, err := s.datastore(q, t.id)
	if err != nil {
		return nil, err
	}
	return ok(s.encodeDatastore(a)), nil
}

// datastore finds the workspace of a datastore. "default" is a name of it too, as in the SDK's own addresses.
func (s *Server) datastore(q *request, id berth.ID) (models.Assets, error) {
	a, err := s.assets(q, id.Parent())
	if err != nil {
		return a, err
	}
	if name := id.Name(); !strings.EqualFold(name, models.Datastore) && !strings.EqualFold(name, "default") {
		return a, berth.Errorf(berth.CodeNotFound, "There is no datastore with the name '%.100s'. A workspace has one, '%s'.", name,
			models.Datastore)
	}
	return a, nil
}

// refuseDatastore refuses to attach and to detach storage.
func (s *Server) refuseDatastore(_ *request, t target) (*response, error) {
	return nil, berth.Errorf(berth.CodeBadRequest, "The datastore '%.100s' cannot be written or deleted: a workspace has one datastore, "+
		"'%s', and Berth attaches no storage of others.", t.id.Name(), models.Datastore)
}

func (s *Server) datastoreSecrets(q *request, t target) (*response, error) {
	id := berth.NewID(s.Subscription, t.words[0], berth.TypeWorkspace+"/datastores", t.words[1], t.words[2])
	if err := checkID(id); err != nil {
		return nil, err
	}
	a, err := s.datastore(q, id)
	if err != nil {
		return nil, err
	}
	var in struct {
		Hours int `json:"expireAfterHours"`
	}
	if len(q.body) > 0 {
		if err := wire.Decode(q.body, &in); err != nil {
			return nil, err
		}
	}
	out, err := a.Secrets(in.Hours)
	if err != nil {
		return nil, err
	}
	return ok(out), nil
}
