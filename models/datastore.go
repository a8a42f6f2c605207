package models

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

// Version 2 of the SDK uploads files itself: it asks for the datastore of the workspace and a signature for its container, or, for code,
// for a folder of its own in it.

const (
	// origin is where the SDKs put what they upload.
	origin = "LocalUpload"
	// secretsTime is how long a signature for the container is good, unless the request says how many hours.
	secretsTime    = time.Hour
	maxSecretsTime = 24 * time.Hour
)

// Datastore are the "properties" of the datastore of the workspace.
func (a Assets) Datastore() map[string]any {
	ws := a.Workspace.ID
	return object{
		"datastoreType": "AzureBlob", "accountName": berth.FilesAccount, "containerName": a.container(), "endpoint": a.FilesSuffix(),
		"protocol": "https", "credentials": object{"credentialsType": "Sas"}, "isDefault": true, "description": nil, "tags": object{},
		"properties": object{}, "serviceDataAccessAuthIdentity": "None", "subscriptionId": ws.Subscription, "resourceGroup": ws.Group,
	}
}

// FilesSuffix is what follows "account.blob." in the host name of files, with the port when it is not 443.
func (s *Server) FilesSuffix() string {
	_, suffix, _ := strings.Cut(s.FilesURL, ".blob.")
	return suffix
}

// Secrets are those of the datastore: a signature for the files of this workspace and no other.
func (a Assets) Secrets(hours int) (map[string]any, error) {
	if err := a.openContainer(); err != nil {
		return nil, err
	}
	life := secretsTime
	if hours > 0 {
		life = min(time.Duration(min(hours, 1000))*time.Hour, maxSecretsTime)
	}
	return object{"secretsType": "Sas", "sasToken": a.Sign(a.container(), "", "rcwl", a.Clock.Now().Add(life))}, nil
}

func (a Assets) openContainer() error {
	_, _, err := a.Files.CreateContainer(a.Context, a.container(), nil)
	return err
}

// PendingUpload answers a folder for an upload. Its signature is good for this folder alone.
func (a Assets) PendingUpload() (map[string]any, error) {
	if err := a.openContainer(); err != nil {
		return nil, err
	}
	id := uuid.NewString()
	folder := origin + "/" + id
	address := a.FilesURL + "/" + a.container() + "/" + folder
	query := a.SignFolder(a.container(), folder, "rcw", a.Clock.Now().Add(uploadTime))
	return object{
		"pendingUploadId": id, "pendingUploadType": "TemporaryBlobReference",
		"blobReferenceForConsumption": object{
			"blobUri": address, "storageAccountArmId": a.Workspace.Body.(*berth.Workspace).StorageAccount,
			"credential": object{"credentialType": "SAS", "sasUri": address + "?" + query},
		},
	}, nil
}
