/* Clients and sockets: what a remote cluster needs, loaded by the first `connect`. */

import { CLIENT_FACTORY } from './client/client-factory.js'
import { TcpChannel } from './wire/tcp-channel.js'

export const CONNECT_PARTS = { factory: CLIENT_FACTORY, TcpChannel }
