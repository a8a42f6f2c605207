package rules

import (
	"fmt"
	"time"

	"berth.dev/berth"
)

// Explain turns an error of the store into a message for users: what is wrong, and what to do. The message of any other error
// becomes CodeInternal with its own text.
func Explain(err error) *berth.Error {
	switch e := err.(type) { //nolint:errorlint // facts come as they are
	case *berth.Error:
		return e
	case *berth.BusyError:
		return busy(e)
	case *berth.TakenError:
		return AlreadyAttached(e)
	case *berth.TakenOverError:
		return berth.Errorf(berth.CodeConflict, "The cluster '%s' was taken over by %s, on %s. Detach this compute.",
			e.Cluster.Name(), placeOf(e.By.String()), moment(e.At, e.Caller, e.Name))
	case *berth.ParentError:
		return parent(e)
	case *berth.SupersededError:
		return berth.Errorf(berth.CodeCanceled, "A later request to %s '%s' replaced this one.", e.Verb, e.ID.Name())
	case *berth.IdleError:
		return berth.Errorf(berth.CodeConflict, "No operation on '%s' is in progress, so there is nothing to cancel.", e.ID.Name())
	case *berth.FullError:
		return berth.Errorf(berth.CodeStorageFull,
			"The disk that holds Berth's database is full; nothing was changed. Free some space and try again.")
	case *berth.ElsewhereError:
		if e.GoneAt.IsZero() {
			return berth.Errorf(berth.CodeClusterUnreachable, "The cluster '%s' runs on the host '%s' and answers only there. Send the request to "+
				"the server on that host.", e.Cluster.Name(), e.Host)
		}
		return berth.Errorf(berth.CodeClusterUnreachable, "The cluster '%s' runs on the host '%s', whose server has not been running since %s. "+
			"Start Berth there; the work goes on then.", e.Cluster.Name(), e.Host, e.GoneAt.UTC().Format("2006-01-02 15:04 UTC"))
	case *berth.UnavailableError:
		return berth.Errorf(berth.CodeServiceUnavailable, "Berth's database cannot be used at present (%v). Try again in a moment.", e.Why)
	case *berth.FileError:
		return file(e)
	case *berth.UnreadableError:
		return unreadable(e)
	}
	return berth.Errorf(berth.CodeInternal, "%v", err)
}

func busy(e *berth.BusyError) *berth.Error {
	if e.Holds {
		return berth.Errorf(berth.CodeBusy, "'%s', which holds the cluster, is being changed (%s). Wait until that has ended.",
			e.ID.Name(), e.State)
	}
	return berth.Errorf(berth.CodeBusy, "'%s' is being changed (%s). "+
		"Wait until that has ended: follow operation %s, or try again in a moment.", e.ID.Name(), e.State, e.Operation)
}

// parent uses the messages of Azure Resource Manager where there are some.
func parent(e *berth.ParentError) *berth.Error {
	switch {
	case e.Deleting:
		return berth.Errorf(berth.CodeConflict, "'%s' is being deleted, so nothing can be created in it.", e.Parent.Name())
	case e.Parent.IsGroup():
		return berth.Errorf(berth.CodeGroupNotFound, "Resource group '%s' could not be found.", e.Parent.Name())
	}
	return berth.Errorf(berth.CodeParentNotFound,
		"Failed to perform 'write' on resource(s) of type '%s', because the parent resource '%s' could not be found.", e.ID.Type(), e.Parent)
}

// file is the message about a database file with which the server cannot start.
func file(e *berth.FileError) *berth.Error {
	switch e.Fault {
	case berth.FileForeign:
		return berth.Errorf(berth.CodeInternal, "The database %s belongs to another program. "+
			"Use another --data-dir, or move the file away; Berth has not changed it.", e.Path)
	case berth.FileNewer:
		return berth.Errorf(berth.CodeInternal, "The database %s was written by a newer Berth (schema %d; this version reads schemas up to %d). "+
			"Start the newer Berth, or use another --data-dir; nothing was changed.", e.Path, e.Schema, e.Own)
	case berth.FileDamaged:
		return berth.Errorf(berth.CodeInternal, "The database %s is damaged or not a database (%s). "+
			"Put a copy back (berth admin restore FILE), or move the file away to start afresh; Berth has not changed it.", e.Path, e.Why)
	case berth.DatabaseUnreachable:
		return berth.Errorf(berth.CodeInternal, "The database %s cannot be used (%s). Check the address in --database, and that the database "+
			"exists and its user may create tables in it.", e.Path, e.Why)
	default:
		return berth.Errorf(berth.CodeInternal, "The database %s cannot be opened (%s). "+
			"Check that the folder exists and that it and the file are writable by you.", e.Path, e.Why)
	}
}

func unreadable(e *berth.UnreadableError) *berth.Error {
	const record = "The stored record of '%s' cannot be read (%v). "
	switch e.Kind {
	case berth.StoredOperation:
		return berth.Errorf(berth.CodeUnreadable, record+"Read the resource itself to see its state.", e.Name, e.Why)
	case berth.StoredChange:
		return berth.Errorf(berth.CodeUnreadable, "The stored record of the operation on '%s' cannot be read. Repeat the request.", e.Name)
	case berth.StoredSecret:
		return berth.Errorf(berth.CodeUnreadable, "The secret '%s' of '%s' cannot be opened (%v). "+
			"Repeat the request that stored it (attach, connect or create), delete the resource, or restore a backup.", e.Part, e.Name, e.Why)
	default:
		return berth.Errorf(berth.CodeUnreadable, record+"Delete it, or restore a backup.", e.Name, e.Why)
	}
}

// attachedAlready begins the refusal of a second attachment, and the warning that it takes the cluster over.
const attachedAlready = "The cluster '%s' is already attached, as %s, since %s"

// AlreadyAttached is the refusal of a second attachment, naming the first.
func AlreadyAttached(t *berth.TakenError) *berth.Error {
	since := moment(t.Since, t.Caller, t.Name)
	if t.Server != "" {
		since = fmt.Sprintf("%s UTC by another Berth (%s)", minute(t.Since), t.Server)
	}
	e := berth.Errorf(berth.CodeAlreadyAttached, attachedAlready+". Detach it there first; a second attachment would break the first. "+
		"To take the cluster over, use --force (force=true): the other compute then becomes Failed.",
		t.Cluster.Name(), placeOf(t.Holder), since)
	e.Target = "properties.resourceId"
	return e
}

// moment is a time for a sentence, with the caller: by its name, or by its id when the name is not known.
func moment(t time.Time, caller, name string) string {
	switch {
	case name != "":
		return fmt.Sprintf("%s UTC by '%s'", minute(t), name)
	case caller != "":
		return fmt.Sprintf("%s UTC by %s", minute(t), caller)
	}
	return minute(t) + " UTC"
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func placeOf(holder string) string {
	if id, err := berth.ParseID(holder); err == nil && id.Is(berth.TypeCompute) {
		return "compute '" + id.Name() + "' of workspace '" + id.Parent().Name() + "' in resource group '" + id.Group + "'"
	}
	return holder
}
