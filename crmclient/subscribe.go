package crmclient

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Subscription is a receiver that asked for the events of a target by itself (REST hooks).
type Subscription struct {
	ID      string
	Event   string // empty: all events
	Host    string // of the address, which is itself a credential and is not shown
	Secret  string // whsec_…; told once, to who subscribes
	Created time.Time
	Failing time.Time // since when deliveries fail; zero: they do not
	Trouble string    // what was wrong with the last one
}

// The errors of a Subscriber that are the caller's to mend.
var (
	ErrTooManySubscriptions = errors.New("there are as many subscriptions as the target allows")
	ErrBadSubscription      = errors.New("this cannot be subscribed to")
)

// Subscriber is a Client whose events receivers can subscribe to.
type Subscriber interface {
	// AuthorizeSubscriber says whether the token may manage subscriptions.
	AuthorizeSubscriber(token string) bool
	// Subscribe has events delivered to an address from now on. Asked again it returns the subscription that is there, without its secret;
	// made says that it is new. ErrBadSubscription, with the reason, is for an address that may not be posted to.
	Subscribe(ctx context.Context, address, event string) (s Subscription, made bool, err error)
	// Unsubscribe ends a subscription; false: there was none.
	Unsubscribe(ctx context.Context, id string) (bool, error)
	// Subscriptions lists those in force, the oldest first.
	Subscriptions(ctx context.Context) ([]Subscription, error)
	// Samples are made-up events, for who sets a receiver up. An event that there is not has none.
	Samples(event string) []json.RawMessage
}

// Runner is a Client that has work of its own to do, such as the deliveries to its subscribers.
type Runner interface {
	// Run works until ctx ends. It may run on several nodes.
	Run(ctx context.Context) error
}
