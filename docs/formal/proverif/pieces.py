"""The pieces of the ProVerif models. Every model is built from them, so that a mutant differs from its model in one
named option."""

LIB = r"""
free net: channel.

(* X25519: commuting exponentiation. *)
const g: bitstring.
fun exp(bitstring, bitstring): bitstring.
equation forall x: bitstring, y: bitstring; exp(exp(g, x), y) = exp(exp(g, y), x).

(* SHA-256 / HMAC / HKDF: random oracles, one symbol for each output. *)
fun H(bitstring): bitstring.
fun hk1(bitstring, bitstring): bitstring.      (* MixKey: new ck *)
fun hk2(bitstring, bitstring): bitstring.      (* MixKey: new k; MixKeyAndHash: the part that is hashed *)
fun hk3(bitstring, bitstring): bitstring.      (* MixKeyAndHash: new k *)
fun ext(bitstring, bitstring): bitstring.      (* HKDF-Extract(salt, ikm) *)
fun kd(bitstring, bitstring): bitstring.       (* X(name): HKDF-Expand(PRK, label) *)
fun sp1(bitstring): bitstring.                 (* Split *)
fun sp2(bitstring): bitstring.
fun rk(bitstring): bitstring.                  (* REKEY *)
fun com(bitstring, bitstring): bitstring.      (* commit(s_R, n_R) *)

(* AES-256-GCM: key, counter, associated data, plaintext *)
fun aead(bitstring, bitstring, bitstring, bitstring): bitstring.
reduc forall k: bitstring, n: bitstring, a: bitstring, m: bitstring; adec(k, n, a, aead(k, n, a, m)) = m.
const n0, n1, n2, n3, nil: bitstring.

(* ML-KEM-768 with implicit rejection *)
fun kpk(bitstring): bitstring.
fun kct(bitstring, bitstring): bitstring.
fun kss(bitstring, bitstring): bitstring.
fun decap(bitstring, bitstring): bitstring.    (* of a ct made for another key: another secret, no error *)
equation forall d: bitstring, r: bitstring; decap(d, kct(kpk(d), r)) = kss(kpk(d), r).

(* what a quantum computer does to X25519, and a break of ML-KEM; reached only through the oracles *)
reduc forall x: bitstring; dlog(exp(g, x)) = x [private].
reduc forall d: bitstring; kinv(kpk(d)) = d [private].
let DlogOracle = !in(net, x: bitstring); out(net, dlog(x)).
let KinvOracle = !in(net, x: bitstring); out(net, kinv(x)).

const NXX, NXXpsk0, NKKpsk0, PROL, m0, m1, m2: bitstring.
const l_i2r, l_r2i, l_chain, l_res, l_con: bitstring.
const t_open, t_ver, t_text, t_rk1, t_rk2: bitstring.
const REKEYPRO: bitstring.
"""


# ------------------------------------------------------------------ the handshake (sections 3 to 6)
# "flat" (the default): k1, k2, k3 are functions of the DH results so far; h is one hash of the mode, the psk and every
# plaintext field, and is given to the attacker, as the hash of the ciphertexts is public; associated data are left out,
# by which the attacker only gains. "bare": the handshake's own encryption is left out, too. Its fields go in clear and
# the attacker may put in any; what is left is h, PRK and the frames.
def first(mode, o):
    return "PROL" if o.get("no_mode_in_prologue") else f"(PROL, {mode})"


def keys(o):
    hh = "nil" if o.get("no_h_in_prk") else "h"
    parts = []
    if not o.get("no_dh_in_prk"):
        parts.append("ck3")
    if not o.get("no_kem_in_prk"):
        parts.append("ss")
    x = ", ".join(parts)
    if "," in x:
        x = f"({x})"
    return (
        f"  let prk = ext({hh}, {x}) in\n"
        "  let ki0 = kd(prk, l_i2r) in let kr0 = kd(prk, l_r2i) in\n"
        "  let kr1 = rk(kr0) in let kr2 = rk(kr1) in let ki1 = rk(ki0) in\n"
    )


def hs(o, mode):
    """The lets of the key schedule, by step."""
    psk = mode != "m0"
    d = {}
    base = f"({first(mode, o)}, psk)" if psk else first(mode, o)
    d["m1"] = "  let ke = hk2(psk, geI) in\n" if psk else ""
    p = "psk" if psk else "nil"
    d["k1"] = f"  let ck1 = ({p}, dee) in let k1 = hk2({p}, dee) in\n"
    d["k2"] = f"  let k2 = hk2({p}, (dee, des)) in\n"
    d["k3"] = f"  let ck3 = hk1({p}, (dee, des, dse)) in let k3 = hk2({p}, (dee, des, dse)) in\n"
    d["h"] = f"  let h = H(({base}, geI, ek, geR, gsR, ct, cm, gsI, nI)) in\n"
    d["pub"] = "  out(net, h);\n"
    return d


def initiator(name, mode, o, body):
    """let NAME(sI, psk, pin, room) = ...; in `body` h, prk, the keys, S and gsR are bound."""
    if o.get("bare"):
        return initiator_bare(name, mode, o, body)
    psk = mode != "m0"
    d = hs(o, mode)
    s = f"let {name}(sI: bitstring, psk: bitstring, pin: bitstring, room: bitstring) =\n"
    s += "  new eI: bitstring; new dk: bitstring; new nI: bitstring;\n"
    s += "  let gsI = exp(g, sI) in let geI = exp(g, eI) in let ek = kpk(dk) in\n" + d["m1"]
    if psk:
        s += f"  let c0 = aead(ke, n0, nil, ek) in\n" + f"  out(net, ({mode}, geI, c0));\n"
    else:
        s += f"  out(net, ({mode}, geI, ek));\n"
    s += (
        "  in(net, (geR: bitstring, cS: bitstring, cP: bitstring"
        + (", nRearly: bitstring" if o.get("nr_early") else "")
        + "));\n"
    )
    if o.get("own_key_check"):
        s += "  if geR <> geI then\n"
    s += "  let dee = exp(geR, eI) in\n" + d["k1"]
    s += f"  let gsR = adec(k1, n0, nil, cS) in\n"
    if o.get("own_key_check"):
        s += "  if gsR <> gsI then\n"
    s += "  let des = exp(gsR, eI) in\n" + d["k2"]
    s += f"  let (ct: bitstring, cm: bitstring) = adec(k2, n0, nil, cP) in\n"
    s += "  let ss = decap(dk, ct) in\n"
    s += f"  let c3 = aead(k2, n1, nil, gsI) in\n"
    s += "  let dse = exp(geR, sI) in\n" + d["k3"]
    s += f"  let c4 = aead(k3, n0, nil, nI) in\n" + d["h"]
    if o.get("pin") and not o.get("no_pin_I"):
        s += "  if gsR = pin then\n"
    if o.get("leak_e"):
        s += f"  ((phase 1; out(net, {o['leak_e']})) |\n"
    s += keys(o) + f"  event runI({mode}, room, h);\n" + d.get("pub", "") + "  out(net, (c3, c4));\n"
    s += "  in(net, fo: bitstring);\n  let (=t_open, nR: bitstring) = adec(kr0, n0, nil, fo) in\n"
    if not o.get("no_commit_check"):
        s += "  if com(nil, nR) = cm then\n" if o.get("commit_without_s") else "  if com(gsR, nR) = cm then\n"
    s += "  let S = sas(nR, h) in\n"
    return s + body + (")" if o.get("leak_e") else "") + ".\n"


def responder(name, mode, o, body):
    if o.get("bare"):
        return responder_bare(name, mode, o, body)
    psk = mode != "m0"
    d = hs(o, mode)
    s = f"let {name}(sR: bitstring, psk: bitstring, pin: bitstring, room: bitstring) =\n"
    s += "  new eR: bitstring; new nR: bitstring; new r: bitstring;\n"
    s += "  let gsR = exp(g, sR) in let geR = exp(g, eR) in\n"
    if psk:
        pref = "mm: bitstring" if o.get("no_mode_check") else f"={mode}"
        s += f"  in(net, ({pref}, geI: bitstring, c0: bitstring));\n" + d["m1"]
        s += f"  let ek = adec(ke, n0, nil, c0) in\n"
    else:
        s += f"  in(net, (={mode}, geI: bitstring, ek: bitstring));\n" + d["m1"]
    s += "  let dee = exp(geI, eR) in\n" + d["k1"]
    s += f"  let cS = aead(k1, n0, nil, gsR) in\n"
    s += "  let des = exp(geI, sR) in\n" + d["k2"]
    s += "  let ct = kct(ek, r) in let ss = kss(ek, r) in\n"
    s += "  let cm = com(nil, nR) in\n" if o.get("commit_without_s") else "  let cm = com(gsR, nR) in\n"
    s += f"  let cP = aead(k2, n0, nil, (ct, cm)) in\n"
    s += "  out(net, (geR, cS, cP" + (", nR" if o.get("nr_early") else "") + "));\n"
    s += "  in(net, (c3: bitstring, c4: bitstring));\n"
    s += f"  let gsI = adec(k2, n1, nil, c3) in\n"
    if o.get("own_key_check"):
        s += "  if gsI <> gsR then\n"
    s += "  let dse = exp(gsI, eR) in\n" + d["k3"]
    s += f"  let nI = adec(k3, n0, nil, c4) in\n" + d["h"]
    if o.get("pin") and not o.get("no_pin_R"):
        s += "  if gsI = pin then\n"
    s += keys(o) + f"  event runR({mode}, room, h);\n" + d.get("pub", "") + "  let S = sas(nR, h) in\n"
    s += "  out(net, aead(kr0, n0, nil, (t_open, nR)));\n"
    return s + body + ".\n"


def h_bare(mode, o):
    base = f"({first(mode, o)}, psk)" if mode != "m0" else first(mode, o)
    p = "psk" if mode != "m0" else "nil"
    return f"  let ck3 = hk1({p}, (dee, des, dse)) in let h = H(({base}, geI, ek, geR, gsR, ct, cm, gsI, nI)) in\n"


def initiator_bare(name, mode, o, body):
    s = f"let {name}(sI: bitstring, psk: bitstring, pin: bitstring, room: bitstring) =\n"
    s += "  new eI: bitstring; new dk: bitstring; new nI: bitstring;\n"
    s += "  let gsI = exp(g, sI) in let geI = exp(g, eI) in let ek = kpk(dk) in\n"
    s += f"  out(net, ({mode}, geI, ek));\n  in(net, (geR: bitstring, gsR: bitstring, ct: bitstring, cm: bitstring));\n"
    if o.get("own_key_check"):
        s += "  if geR <> geI then if gsR <> gsI then\n"
    if o.get("pin") and not o.get("no_pin_I"):
        s += "  if gsR = pin then\n"
    s += "  let dee = exp(geR, eI) in let des = exp(gsR, eI) in let dse = exp(geR, sI) in let ss = decap(dk, ct) in\n"
    s += h_bare(mode, o)
    if o.get("leak_e"):
        s += f"  ((phase 1; out(net, {o['leak_e']})) |\n"
    s += keys(o) + f"  event runI({mode}, room, h);\n  out(net, (gsI, nI));\n"
    s += "  in(net, fo: bitstring);\n  let (=t_open, nR: bitstring) = adec(kr0, n0, nil, fo) in\n"
    s += "  if com(gsR, nR) = cm then\n  let S = sas(nR, h) in\n"
    return s + body + (")" if o.get("leak_e") else "") + ".\n"


def responder_bare(name, mode, o, body):
    s = f"let {name}(sR: bitstring, psk: bitstring, pin: bitstring, room: bitstring) =\n"
    s += "  new eR: bitstring; new nR: bitstring; new r: bitstring;\n"
    s += "  let gsR = exp(g, sR) in let geR = exp(g, eR) in\n"
    s += f"  in(net, (={mode}, geI: bitstring, ek: bitstring));\n"
    s += "  let ct = kct(ek, r) in let ss = kss(ek, r) in let cm = com(gsR, nR) in\n"
    s += "  out(net, (geR, gsR, ct, cm));\n  in(net, (gsI: bitstring, nI: bitstring));\n"
    if o.get("own_key_check"):
        s += "  if gsI <> gsR then\n"
    if o.get("pin") and not o.get("no_pin_R"):
        s += "  if gsI = pin then\n"
    s += "  let dee = exp(geI, eR) in let des = exp(geI, sR) in let dse = exp(gsI, eR) in\n"
    s += h_bare(mode, o) + keys(o) + f"  event runR({mode}, room, h);\n  let S = sas(nR, h) in\n"
    s += "  out(net, aead(kr0, n0, nil, (t_open, nR)));\n"
    return s + body + ".\n"


SAS = "fun sas(bitstring, bitstring): bitstring.\nfun cI(bitstring): bitstring.\nfun cR(bitstring): bitstring.\n"
EVENTS = """event runI(bitstring, bitstring, bitstring). event runR(bitstring, bitstring, bitstring).
event accI(bitstring, bitstring, bitstring). event accR(bitstring, bitstring, bitstring).
event endI. event endR.
free textI, textR: bitstring [private].
"""
