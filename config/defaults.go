package config

import (
	"slices"
	"time"
)

// defaults returns the configuration of an empty file. It is filled in before
// the file is read, so that what the file does not say stays as it is here.
// Entries of lists and optional sections have a setDefaults each.
func defaults() *Config {
	return &Config{
		DataDir: "/var/lib/heliograph",
		Store:   Store{URL: NewSecret(StoreSQLite)},
		Journal: Journal{
			OnFailure:        FailureDeliver,
			Sync:             SyncAlways,
			UnconfirmedAfter: Duration(5 * time.Minute),
			SegmentBytes:     256 << 20,
		},
		Capture: Capture{
			Policy:     CaptureSeen,
			Folders:    Folders{Exclude: []string{`\Drafts`, `\Junk`, `\Trash`}},
			ChunkBytes: 256 << 10,
		},
		Customers: Customers{Scope: ScopeOwn},
		Mirror:    Mirror{Internal: InternalExclude, Unmatched: UnmatchedCreate, Workers: 4, MaxAttempts: 20},
		Privacy:   Privacy{Sensitivity: slices.Clone(defaultSensitivity), SubjectMarks: slices.Clone(defaultSubjectMarks), Withdraw: true},
		Contacts: Contacts{
			Interval:   Duration(5 * time.Minute),
			StaleAfter: Duration(30 * time.Minute),
			Region:     "CN",
			Conflicts:  ConflictsPriority,
			Priority:   []ValueOrigin{OriginCRM, OriginImport, OriginSignature},
			AutoMerge:  true,
		},
		Matching: Matching{PlusTags: PlusStrip, Owner: DefaultOwner()},
		Outbox: Outbox{
			Workers:  8,
			ExpireIn: Duration(5 * 24 * time.Hour), // RFC 5321, 4.5.4.1: at least 4 to 5 days
			WarnIn:   Duration(4 * time.Hour),
			// Half of what the provider allows stays with the account's owner.
			AutomatedShare: 50,
		},
		Rules: Rules{
			Calendar: "cn", Keep: Duration(180 * 24 * time.Hour), Workers: 2,
			Classifier: Classifier{Threshold: 0.5, Chat: ClassifierChat{Timeout: Duration(20 * time.Second), MaxChars: 2000}},
		},
		Limits: Limits{
			LoginPerMinute:   10,
			ConnectionsPerIP: 1000, // an office of two hundred behind one address, each program with five IMAP connections
			Connections:      20000,
			Recipients:       1000,
		},
		Console: Console{
			Address: "127.0.0.1:8025", AuditKeep: Duration(730 * 24 * time.Hour), Onboarding: Onboarding{Enabled: true, Domains: []string{}},
			TrustedProxies: defaultProxies(), Sessions: ConsoleSessions{Idle: Duration(12 * time.Hour), Longest: Duration(7 * 24 * time.Hour)},
			Exchange: Exchange{
				UploadBytes: 50 << 20, UploadRows: 1_000_000, ExportRows: 200_000,
				KeepExports: Duration(24 * time.Hour), KeepUploads: Duration(7 * 24 * time.Hour),
			},
		},
		Log: Log{Level: "info", Format: "json"},
	}
}

func (u *Upstream) setDefaults() {
	u.SMTP.setDefaults()
	u.IMAP.setDefaults()
	u.SignIn, u.OAuth2.Grant = SignInOwn, GrantConsent
}

func (e *Endpoint) setDefaults() {
	e.ForwardClient = ForwardNone
	e.Timeout = Duration(30 * time.Second)
}

func (l *Listener) setDefaults() {
	l.Mode = ModeProxy
	l.BareLF = BareLFNormalize
}

func (r *Redis) setDefaults() { r.Prefix = "heliograph:" }
