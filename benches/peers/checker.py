"""The checker behind nginx `auth_request`: FastAPI with PyJWT, and one read of the session from Redis for each request.

Written as FastAPI's documentation teaches it (OAuth2PasswordBearer, async endpoint), with what makes it fast: redis.asyncio
with its connection pool and the hiredis parser, uvloop and httptools under uvicorn (all of uvicorn[standard]), no access log.
"""

import os

import jwt
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import OAuth2PasswordBearer
from redis.asyncio import Redis

SECRET = os.environ["CHECKER_SECRET"]
sessions = Redis(port=int(os.environ["CHECKER_REDIS_PORT"]))
bearer = OAuth2PasswordBearer(tokenUrl="login")
app = FastAPI()


@app.get("/check")
async def check(response: Response, token: str = Depends(bearer)) -> None:
    try:
        claims = jwt.decode(
            token,
            SECRET,
            algorithms=["HS256"],
            issuer="gateward",
            audience="gateward",
            options={"require": ["exp", "iss", "aud", "sub", "sid"]},
        )
    except jwt.InvalidTokenError as error:
        raise HTTPException(status_code=401) from error
    if await sessions.get(f"session:{claims['sid']}") is None:
        raise HTTPException(status_code=401)
    response.headers["X-Subject"] = claims["sub"]
