package httpapi

import (
	"context"
	"encoding/base64"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
)

// keysMaxAge is how long others may keep the public keys: less than any key waits before it signs.
const keysMaxAge = "public, max-age=20"

// keysAPI is the operation on the keys behind access tokens.
type keysAPI struct{ tokens *account.Tokens }

// GetSigningKeys implements operation getSigningKeys. It does no I/O.
func (a keysAPI) GetSigningKeys(context.Context) (*oas.JsonWebKeySetHeaders, error) {
	set := oas.JsonWebKeySet{Keys: []oas.JsonWebKey{}}
	for _, k := range a.tokens.Public() {
		set.Keys = append(set.Keys, oas.JsonWebKey{
			Kty: oas.JsonWebKeyKtyOKP, Crv: oas.JsonWebKeyCrvEd25519, Use: oas.JsonWebKeyUseSig, Alg: oas.JsonWebKeyAlgEdDSA,
			Kid: k.Kid, X: base64.RawURLEncoding.EncodeToString(k.Public()),
		})
	}
	return &oas.JsonWebKeySetHeaders{CacheControl: keysMaxAge, Response: set}, nil
}
