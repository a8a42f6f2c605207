package arm

import (
	"net/http"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// modelKind is the row of what version 1 of the SDK writes, and Resource Manager shows and deletes.
func modelKind(typ string) *kind {
	return &kind{typ: typ, created: http.StatusCreated, put: bySDK, patch: noPatch, remove: removeUnused, encode: encodeModels}
}

// encodeModels encodes an asset or a service.
func encodeModels(_ *Server, _ *request, r *berth.Resource) wire.Object { return wire.Models(r) }

// bySDK refuses a PUT: what is registered and deployed comes with files, which version 1 of the SDK uploads first.
func bySDK(_ *Server, _ *request, id berth.ID, _ *berth.Resource) (*plan, error) {
	return nil, berth.Errorf(berth.CodeBadRequest, "'%s' cannot be written here. Register models with Model.register and deploy services "+
		"with Model.deploy of azureml-core.", id.Name())
}

func noPatch(_ *Server, _ *request, old *berth.Resource) (*plan, error) {
	return nil, berth.Errorf(berth.CodeBadRequest, "'%s' cannot be changed by a PATCH. Read it and PUT it again.", old.ID.Name())
}
