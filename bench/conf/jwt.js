// The usual checks of a bearer token, for auth_request.  The key is a
// SubjectPublicKeyInfo in base64.

const key = Buffer.from('@KEY@', 'base64');

const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

function decoded(part) {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
}

async function isGood(token) {
    const parts = token.split('.');

    if (parts.length != 3 || decoded(parts[0]).alg != 'RS256') {
        return false;
    }

    const publicKey = await crypto.subtle.importKey('spki', key, algorithm, false, ['verify']);
    const good = await crypto.subtle.verify(algorithm, publicKey,
                                            Buffer.from(parts[2], 'base64url'),
                                            Buffer.from(parts[0] + '.' + parts[1]));
    if (!good) {
        return false;
    }

    const claims = decoded(parts[1]);

    return claims.iss == 'https://issuer.example' && claims.aud == 'api'
           && claims.exp > Date.now() / 1000;
}

async function check(r) {
    const header = r.headersIn.Authorization || '';
    let good = false;

    try {
        good = header.startsWith('Bearer ') && await isGood(header.slice(7));
    } catch (e) {
        good = false;
    }

    r.return(good ? 204 : 401);
}

export default { check };
